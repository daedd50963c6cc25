/** The story that each driver sends by the calls of its SDK, and the report that it prints about it. */

import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";

export const [ENDPOINT, KEY, RUN] = process.argv.slice(2);

export const DEVICE = randomUUID();
export const USER = "u-7";
export const PAGE = "https://shop.example/thanks";
export const TITLE = "Thanks";
export const TOTAL = { total: 19.9, currency: "CHF" };

/** The text by which the event of a step is found in S3. */
export const marker = (step) => `${RUN}.${step}`;

const NODE_MODULES = new URL("../node_modules/", import.meta.url);

/** What an SDK was given, and what it complained of. Printed as one line of JSON. */
export class Report {
  /** Sends what the SDK has. Set by an SDK that sends several events in one request. */
  flush = () => {};
  #events = [];
  #errors = [];
  #notes = [];
  #sdk;
  #option;

  /** `option` is how a user points the SDK here. */
  constructor(sdk, option) {
    this.#sdk = sdk;
    this.#option = option;
    // A server lives on, so no SDK waits for its next try in a process that ends.
    setInterval(() => {}, 60_000);
    for (const level of ["error", "warn"]) console[level] = (...parts) => this.error(...parts);
    // The last line of standard output is the report's.
    for (const level of ["log", "info", "debug"]) console[level] = (...parts) => this.#notes.push(said(parts));
    for (const event of ["uncaughtException", "unhandledRejection"]) process.on(event, (error) => this.error(error));
  }

  /** Notes an event. `fields` are those of the record that the SDK was given: `name`, `user_id`, `props` … */
  async sent(step, fields) {
    this.#events.push({ step, marker: marker(step), ...fields });
    if (!process.env.SDK_APART) return;
    try {
      await this.flush();
    } catch (error) {
      this.error(error);
    }
  }

  error(...parts) {
    this.#errors.push(said(parts));
  }

  print() {
    const { version } = JSON.parse(readFileSync(new URL(`${this.#sdk}/package.json`, NODE_MODULES), "utf8"));
    const report = {
      sdk: this.#sdk,
      version,
      option: this.#option,
      events: this.#events,
      errors: this.#errors,
      notes: this.#notes,
      ended: true,
    };
    // Whatever an SDK leaves open must not keep the process: all is sent, or given up.
    process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit(0));
  }
}

function said(parts) {
  const text = parts.map((part) => (part instanceof Error ? `${part.name}: ${part.message}` : typeof part === "string" ? part : asJson(part)));
  return text.join(" ").slice(0, 500);
}

function asJson(value) {
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
}
