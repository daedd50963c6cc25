import type { ReactNode } from "react";
import { Collector } from "./headwater";

export default function Layout({ children }: { children: ReactNode }) {
  return (
    <html lang="en">
      <body>
        <Collector />
        {children}
      </body>
    </html>
  );
}
