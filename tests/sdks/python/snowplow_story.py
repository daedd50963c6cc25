"""snowplow-tracker."""

import os

from story import DEVICE, KEY, PAGE, PORT, TITLE, TOTAL, USER, Report, marker

from snowplow_tracker import (
    Emitter,
    PageView,
    SelfDescribing,
    SelfDescribingJson,
    StructuredEvent,
    Subject,
    Tracker,
)

report = Report("snowplow-tracker", 'Emitter(HOST, protocol="http", port=PORT)')
emitter = Emitter(
    "127.0.0.1",
    protocol="http",
    port=PORT,
    method=os.environ.get("SDK_METHOD", "post"),
    on_failure=lambda count, unsent: report.error(len(unsent), "unsent"),
)
subject = Subject().set_domain_user_id(DEVICE)
tracker = Tracker("sdks", emitter, subject, app_id=KEY)
report.flush = tracker.flush

entity = SelfDescribingJson("iglu:com.shop/step/jsonschema/1-0-0", {"marker": marker("page")})
tracker.track(PageView(PAGE, TITLE, "https://www.google.com/", context=[entity]))
report.sent("page", device_id=DEVICE, url=PAGE, title=TITLE)

order = {**TOTAL, "marker": marker("order")}
schema = "iglu:com.shop/order_completed/jsonschema/1-0-0"
tracker.track(SelfDescribing(SelfDescribingJson(schema, order)))
report.sent("order", name="order_completed", device_id=DEVICE, props=order)

# The tracker has no identify event: from here on each event names the user.
subject.set_user_id(USER)
tracker.track(StructuredEvent("coupon", "redeem", marker("second"), value=10))
report.sent("second", name="struct_event", device_id=DEVICE, user_id=USER)

tracker.flush()
# A timer sends what is to be sent again.
while emitter.retry_timer.is_active():
    emitter.retry_timer.timer.join()
report.print()
