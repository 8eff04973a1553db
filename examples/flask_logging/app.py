"""A shop that logs: each line with its request's id, an access log with what the request waited for, no secrets."""

import logging

from flask import Flask, abort, request

import weft
from weft.adapters.flask import Weft

logger = logging.getLogger("shop")

app = Flask(__name__)
Weft(app, access_log="json")


@app.post("/orders")
def order():
    """Take an order."""
    weft.logs.bind(customer=request.form["customer"])
    logger.info("ordered %s", request.form["item"], extra={"card_token": request.form.get("card", "")})
    checks = weft.gather(in_stock, weft.call(credit, request.form["customer"])).result()
    if not all(checks):
        logger.warning("refused")
        abort(409)
    return {"ordered": request.form["item"]}


async def in_stock():
    """Ask the warehouse; a line that is logged here carries the request's fields, too."""
    logger.debug("asking the warehouse")
    return True


def credit(customer):
    """Ask the bank, on a thread."""
    logger.info("asking the bank")
    return customer != "mallory"
