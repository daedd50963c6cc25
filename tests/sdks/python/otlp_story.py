"""opentelemetry-exporter-otlp-proto-http, which sends Protobuf."""

import time

from story import DEVICE, ENDPOINT, KEY, PAGE, TOTAL, USER, Report, marker

from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

report = Report("opentelemetry-exporter-otlp-proto-http", "OTLPLogExporter(endpoint, headers)")
headers = {"authorization": f"Bearer {KEY}"}
exporter = OTLPLogExporter(endpoint=f"{ENDPOINT}/v1/logs", headers=headers)
provider = LoggerProvider()
provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
report.flush = provider.force_flush
logger = provider.get_logger("shop", "1.4.0")


def send(step: str, name: str, props: dict[str, object]) -> None:
    attributes = {"device.id": DEVICE, "user.id": USER, "url.full": PAGE, **props}
    logger.emit(
        timestamp=time.time_ns(),
        severity_number=SeverityNumber.INFO,
        event_name=name,
        attributes=attributes,
    )
    report.sent(step, name=name, device_id=DEVICE, user_id=USER, url=PAGE, props=props)


send("order", "order.completed", {**TOTAL, "marker": marker("order")})
send("second", "coupon.used", {"coupon": "ZH-10", "marker": marker("second")})
provider.force_flush()
provider.shutdown()
report.print()
