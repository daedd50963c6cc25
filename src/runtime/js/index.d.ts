// What the Wasm exports to shell.js; bindgen makes the module.

import type { Caller, Host } from "./host.js";

export function __worker_init_state(): { criticalError: boolean; instanceId: number };
export function __wbg_reset_state(): void;
export function connect(host: Host): void;
export function resume(operation: number, status: number, number: number, bytes: Uint8Array): void;
export function fetch(request: Request, env: unknown, caller: Caller): void;

/** A Durable Object of the Wasm. */
declare class WasmObject {
  constructor(storage: DurableObjectStorage, name: string, env: unknown);
  call(method: string, body: Uint8Array, caller: Caller): void;
}

export class Shard extends WasmObject {
  alarm(caller: Caller): void;
}

export class Inspector extends WasmObject {}
