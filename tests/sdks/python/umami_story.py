"""umami-analytics."""

from collections.abc import Callable

import umami
from story import ENDPOINT, KEY, TOTAL, USER, Report, marker

report = Report("umami-analytics", "umami.set_url_base(ENDPOINT)")
umami.set_url_base(ENDPOINT)
umami.set_website_id(KEY)
umami.set_hostname("shop.example")


def send(call: Callable[[], object]) -> None:
    try:
        call()
    except Exception as error:  # noqa: BLE001 (whatever the SDK raises is its complaint)
        report.error(type(error).__name__, error)


url = f"/thanks?marker={marker('page')}"
send(lambda: umami.new_page_view("Thanks", url, referrer="https://www.google.com/"))
report.sent("page", title="Thanks")

order = {**TOTAL, "marker": marker("order")}
send(lambda: umami.new_event("Order Completed", url="/thanks", custom_data=order))
report.sent("order", name="Order Completed", props=order)

# The SDK has no identify: each event may name the user.
second = {"coupon": "ZH-10", "marker": marker("second")}
send(lambda: umami.new_event("Größe gewählt", url="/thanks", custom_data=second, distinct_id=USER))
report.sent("second", name="Größe gewählt", user_id=USER, props=second)
report.print()
