"""libcurl's multi interface on an event loop with nothing around it: the measure of what weft adds.

Handles are reused and configured once; no limits, no deadlines, no errors told apart, no cancellation.
"""

import asyncio
from io import BytesIO

import pycurl


class RawCurl:
    """The least that can drive a CurlMulti. Belongs to the running loop."""

    def __init__(self):
        self.loop = asyncio.get_running_loop()
        self.multi = pycurl.CurlMulti()
        self.multi.setopt(pycurl.M_SOCKETFUNCTION, self.on_socket)
        self.multi.setopt(pycurl.M_TIMERFUNCTION, self.on_timer)
        self.timer = None
        self.waiting = {}
        self.free = []
        self.masks = {}

    async def get(self, url):
        handle = self.free.pop() if self.free else self.make_handle()
        body = BytesIO()
        handle.setopt(pycurl.URL, url)
        handle.setopt(pycurl.WRITEDATA, body)
        future = self.loop.create_future()
        self.waiting[handle] = future
        self.multi.add_handle(handle)
        await future
        status = handle.getinfo(pycurl.RESPONSE_CODE)
        self.free.append(handle)
        return status, body.getvalue()

    def make_handle(self):
        handle = pycurl.Curl()
        handle.setopt(pycurl.NOSIGNAL, 1)
        return handle

    def on_socket(self, event, fd, multi, data):
        before = self.masks.get(fd, 0)
        now = 0 if event == pycurl.POLL_REMOVE else event
        if (before ^ now) & pycurl.POLL_IN:
            if now & pycurl.POLL_IN:
                self.loop.add_reader(fd, self.act, fd, pycurl.CSELECT_IN)
            else:
                self.loop.remove_reader(fd)
        if (before ^ now) & pycurl.POLL_OUT:
            if now & pycurl.POLL_OUT:
                self.loop.add_writer(fd, self.act, fd, pycurl.CSELECT_OUT)
            else:
                self.loop.remove_writer(fd)
        if now:
            self.masks[fd] = now
        else:
            self.masks.pop(fd, None)

    def on_timer(self, milliseconds):
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if milliseconds >= 0:
            self.timer = self.loop.call_later(milliseconds / 1000, self.act, pycurl.SOCKET_TIMEOUT, 0)

    def act(self, fd, mask):
        self.multi.socket_action(fd, mask)
        while True:
            left, good, bad = self.multi.info_read()
            for handle in good:
                self.finish(handle, None)
            for handle, code, message in bad:
                self.finish(handle, OSError(code, message))
            if not left:
                return

    def finish(self, handle, error):
        self.multi.remove_handle(handle)
        future = self.waiting.pop(handle)
        if not future.done():
            future.set_exception(error) if error else future.set_result(None)
