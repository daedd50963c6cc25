"""cloudevents, with requests to send what it writes."""

import os

import requests
from story import DEVICE, ENDPOINT, KEY, TOTAL, USER, Report, marker

from cloudevents.core.bindings.http import to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent

report = Report("cloudevents", "requests.post(ENDPOINT + '/v1/cloudevents')")
written = {"binary": to_binary_event, "structured": to_structured_event}[
    os.environ.get("SDK_MODE", "binary")
]


def send(step: str, kind: str, data: dict[str, object]) -> None:
    attributes = {
        "type": kind,
        "source": "/shop",
        "subject": "o-1",
        "deviceid": DEVICE,
        "userid": USER,
    }
    message = written(CloudEvent(attributes, data))
    headers = {**message.headers, "authorization": f"Bearer {KEY}"}
    try:
        requests.post(f"{ENDPOINT}/v1/cloudevents", message.body, headers=headers).raise_for_status()
    except requests.RequestException as error:
        report.error(error)
    report.sent(step, name=kind.rpartition(".")[2], device_id=DEVICE, user_id=USER, props=data)


send("order", "com.shop.order_completed", {**TOTAL, "marker": marker("order")})
send("second", "com.shop.coupon_used", {"coupon": "ZH-10", "marker": marker("second")})
report.print()
