import { SeverityNumber } from "@opentelemetry/api-logs";
import { OTLPLogExporter } from "@opentelemetry/exporter-logs-otlp-http";
import { BatchLogRecordProcessor, LoggerProvider } from "@opentelemetry/sdk-logs";
import { DiagLogLevel, diag } from "@opentelemetry/api";

import { DEVICE, ENDPOINT, KEY, PAGE, Report, TOTAL, USER, marker } from "./story.mjs";

const report = new Report("@opentelemetry/exporter-logs-otlp-http", "new OTLPLogExporter({ url: ENDPOINT + '/v1/logs', headers })");
const complain = (...parts) => report.error(...parts);
const silent = () => {};
diag.setLogger({ error: complain, warn: complain, info: silent, debug: silent, verbose: silent }, DiagLogLevel.WARN);

const exporter = new OTLPLogExporter({ url: `${ENDPOINT}/v1/logs`, headers: { authorization: `Bearer ${KEY}` } });
const provider = new LoggerProvider({ processors: [new BatchLogRecordProcessor({ exporter })] });
const logger = provider.getLogger("shop", "1.4.0");
report.flush = () => provider.forceFlush();

async function send(step, eventName, props) {
  const attributes = { "device.id": DEVICE, "user.id": USER, "url.full": PAGE, ...props };
  logger.emit({ eventName, severityNumber: SeverityNumber.INFO, timestamp: Date.now(), attributes });
  await report.sent(step, { name: eventName, device_id: DEVICE, user_id: USER, url: PAGE, props });
}

await send("order", "order.completed", { ...TOTAL, marker: marker("order") });
await send("second", "coupon.used", { coupon: "ZH-10", marker: marker("second") });
await provider.forceFlush().catch(complain);
await provider.shutdown().catch(complain);
report.print();
