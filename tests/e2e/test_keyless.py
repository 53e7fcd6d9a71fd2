"""An endpoint that is to be signed for is never called without a signature: it waits for a secret."""

import time

from command import succeed
from database import add_endpoint, delivery, enqueue, query, run, value, wait_status
from test_cli_check import check
from test_headers import standard_signature
from waiting import stays, wait_until


def test_an_endpoint_whose_last_secret_has_expired_waits_for_one(db, daemon, receiver):
    add_endpoint(db, "a", receiver.url())
    add_endpoint(db, "plain", receiver.url("/plain"), signing="none")
    one = daemon()
    enqueue(db, "1", endpoint="a")
    wait_status(db, "delivered")
    run(db, f"UPDATE endpoint_secrets SET expires_at = {int(time.time() * 1000) + 1500} WHERE endpoint_id = 1")
    one.wait_for_line("error", "endpoint a is not sent to", "no valid secret", "rotate-secret")
    enqueue(db, "2", endpoint="a")
    enqueue(db, "3", endpoint="plain")
    enqueue(db, "4", url=receiver.url("/bare"))
    receiver.wait(1, path="/plain")
    receiver.wait(1, path="/bare")
    wait_until(lambda: "no valid secret" in str(query(db, "SELECT * FROM queue WHERE endpoint = 'a'")), what="the view")
    assert "not sent to for want of a valid secret: 1" in check(db)[1]["secrets", "warning"]
    assert stays(lambda: len(receiver.got("/hook")) == 1, 0.5) and delivery(db, 2)["attempts"] == 0
    succeed("endpoint", "rotate-secret", "a", "--database", db)
    wait_status(db, "delivered", 2)
    secret = value(db, "SELECT secret FROM endpoint_secrets WHERE endpoint_id = 1 ORDER BY id DESC LIMIT 1")
    last = receiver.got("/hook")[-1]
    assert last.body == b"2" and last.header("webhook-signature") == standard_signature(secret, last)


def test_an_endpoint_without_any_secret_waits_from_the_start(db, daemon, receiver):
    add_endpoint(db, "a", receiver.url())
    run(db, "DELETE FROM endpoint_secrets")
    enqueue(db, "1", endpoint="a")
    one = daemon()
    one.wait_for_line("endpoint a is not sent to", "no valid secret")
    assert stays(lambda: not receiver.got(), 0.5)
    run(db, "UPDATE endpoints SET signing = 'none'")
    wait_status(db, "delivered")
