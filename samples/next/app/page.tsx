import { Buy } from "./buy";

export default function Page() {
  return (
    <main>
      <h1>A kettle</h1>
      <Buy sku="kettle-1" price={19.9} />
    </main>
  );
}
