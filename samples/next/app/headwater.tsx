"use client";

import { start, type Headwater } from "headwater-snippet";
import type {} from "headwater-snippet/events";
import { useEffect } from "react";

let started: Headwater | undefined;

const starts = (): Headwater =>
  (started ??= start({ src: process.env.NEXT_PUBLIC_HEADWATER ?? "https://c.example/t.js", auto: "outbound downloads forms engagement" }));

/** Sends events; its calls are narrowed by the event's name. On the server a call has no effect. */
export const headwater: Headwater = (...call: unknown[]) => {
  if (typeof window !== "undefined") (starts() as (...call: unknown[]) => void)(...call);
};

/** Starts the snippet once; it counts the views of a router on its own. */
export function Collector({ userId }: { userId?: string }) {
  useEffect(() => {
    starts();
    if (userId) headwater("identify", userId);
  }, [userId]);
  return null;
}
