"""segment-analytics-python."""

from story import DEVICE, ENDPOINT, KEY, PAGE, TITLE, TOTAL, USER, Report, marker

import segment.analytics as analytics

report = Report("segment-analytics-python", "analytics.host")
analytics.write_key = KEY
analytics.host = ENDPOINT
report.flush = analytics.flush
analytics.on_error = lambda error, items: report.error(error, len(items), "given up")

context = {"page": {"url": PAGE, "title": TITLE}}
both = {"device_id": DEVICE, "user_id": USER, "url": PAGE}

page = {"url": PAGE, "title": TITLE, "marker": marker("page")}
analytics.page(anonymous_id=DEVICE, name="Thanks", properties=page)
report.sent("page", device_id=DEVICE, url=PAGE, title=TITLE)

order = {**TOTAL, "marker": marker("order")}
analytics.track(anonymous_id=DEVICE, event="Order Completed", properties=order, context=context)
report.sent("order", name="Order Completed", device_id=DEVICE, url=PAGE, props=order)

traits = {"plan": "team", "marker": marker("identify")}
analytics.identify(USER, traits, anonymous_id=DEVICE, context=context)
report.sent("identify", **both, props=traits)

second = {"coupon": "ZH-10", "marker": marker("second")}
analytics.track(USER, "Größe gewählt", second, context, anonymous_id=DEVICE)
report.sent("second", name="Größe gewählt", **both, props=second)

analytics.shutdown()
report.print()
