"""Ways to write an access-like line to a file: each sets itself up for a path, and logs one line for each call.

A line has about 110 bytes: time, level, logger, thread, and a message with three arguments.
"""

import logging
import logging.handlers
import queue
import threading
import time

FORMAT = "%(asctime)s %(levelname)s %(name)s [%(threadName)s] %(message)s"
MESSAGE = "line %s of request %s took %d ms for user %s"


class Peer:
    """What is measured: `log(number)` writes one line, `close()` ends when all lines are written."""

    def __init__(self, log, close, handler=None):
        self.log = log
        self.close = close
        self.handler = handler


def through_logging(handler, close=None):
    handler.setFormatter(logging.Formatter(FORMAT))
    logger = logging.getLogger("shop.views")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.handlers = [handler]  # also when a log is opened again
    info = logger.info
    return Peer(lambda number: info(MESSAGE, number, "/check-sites", 12, "alice"), close or handler.close, handler)


def article(path, **_):
    lock = threading.Lock()

    def log(number):
        now = time.strftime("%Y-%m-%d %H:%M:%S")
        name = threading.current_thread().name
        text = f"{now},000 INFO shop.views [{name}] {MESSAGE % (number, '/check-sites', 12, 'alice')}\n"
        with lock, open(path, "a") as file:  # noqa: PTH123 - as the article has it
            file.write(text)

    return Peer(log, lambda: None)


def file_handler(path, **_):
    return through_logging(logging.FileHandler(path))


def rotating_file_handler(path, max_bytes=0, **_):
    return through_logging(logging.handlers.RotatingFileHandler(path, maxBytes=max_bytes, backupCount=10_000))


def queue_handler(path, **_):
    target = logging.FileHandler(path)
    target.setFormatter(logging.Formatter(FORMAT))
    line = queue.SimpleQueue()
    listener = logging.handlers.QueueListener(line, target)
    listener.start()

    def close():
        listener.stop()
        target.close()

    peer = through_logging(logging.handlers.QueueHandler(line), close)
    peer.handler.setFormatter(None)  # the listener's handler has it
    return peer


def loguru(path, max_bytes=0, *, enqueue=False, **_):
    from loguru import logger

    logger.remove()
    form = "{time:YYYY-MM-DD HH:mm:ss,SSS} {level} {name} [{thread.name}] {message}"
    logger.add(path, format=form, enqueue=enqueue, rotation=max_bytes or None, catch=False)
    text = "line {} of request {} took {} ms for user {}"

    def log(number):
        logger.info(text, number, "/check-sites", 12, "alice")

    return Peer(log, logger.remove)


def loguru_enqueue(path, max_bytes=0, **_):
    return loguru(path, max_bytes, enqueue=True)


def structlog(path, **_):
    import structlog

    file = open(path, "a")  # noqa: PTH123, SIM115 - closed at the end
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S"),
            structlog.processors.CallsiteParameterAdder([structlog.processors.CallsiteParameter.THREAD_NAME]),
            structlog.processors.KeyValueRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(file),
        cache_logger_on_first_use=True,
    )
    logger = structlog.get_logger("shop.views")
    return Peer(lambda number: logger.info(MESSAGE, number, "/check-sites", 12, "alice"), file.close)


def concurrent_log_handler(path, max_bytes=0, **_):
    from concurrent_log_handler import ConcurrentRotatingFileHandler

    return through_logging(ConcurrentRotatingFileHandler(path, "a", max_bytes, 10_000 if max_bytes else 0))


def weft_handler(path, max_bytes=0, **options):
    from weft.logs.handler import Handler

    return through_logging(Handler(path, max_bytes=max_bytes, **options))


def weft_setup(path, max_bytes=0, **options):
    """One call for the whole process: a handler at the root logger, and faster loggers."""
    from weft.logs.configuration import setup

    setup(path, format=logging.Formatter(FORMAT), max_bytes=max_bytes, **options)
    info, (handler,) = logging.getLogger("shop.views").info, logging.getLogger().handlers
    return Peer(lambda number: info(MESSAGE, number, "/check-sites", 12, "alice"), handler.close, handler)


PEERS = {
    "article": article,
    "FileHandler": file_handler,
    "QueueHandler": queue_handler,
    "loguru": loguru,
    "loguru, enqueue": loguru_enqueue,
    "structlog": structlog,
    "concurrent-log-handler": concurrent_log_handler,
    "RotatingFileHandler": rotating_file_handler,
    "weft.logs.Handler": weft_handler,
    "weft.logs.setup": weft_setup,
}
