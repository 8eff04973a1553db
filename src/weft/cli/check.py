"""Check many sites at once: are they up, and how fast?

for example:
  weft check example.org python.org             https:// is put before a bare host name
  weft check --file urls.txt --limit 200        one address on each line, # begins a comment
  weft check - --json < urls.txt | jq .status   from standard input, to one line of JSON each
  weft check --file urls.txt --deadline 60      whatever is not done after a minute is given up

A site is fine if it answers with a status below 400. Results go to standard output as they come, progress and the
summary to standard error.

exit status: 0 all are fine, 1 some are not, 2 wrong usage, 130 interrupted, 141 nobody reads the output
"""

import argparse

from weft.cli.parsing import UsageError, at_least, bytes_of, seconds

__all__ = ["add_arguments", "run"]

_AT_ONCE = 100

_FORMS = """\
--json, version 1 (keys may be added; none is renamed or removed); durations in seconds, null where not known:
  {"type": "result", "version": 1, "line": 3, "url": "https://example.org", "ok": true, "outcome": "ok",
   "status": 200, "http_version": "2", "bytes": 1256, "seconds": 0.213, "attempts": 1, "error": null,
   "phases": {"dns": 0.004, "connect": 0.021, "tls": 0.045, "wait": 0.12, "body": 0.003}}
  outcome: ok, http_error (400 or more), failed, timed_out, cancelled, refused, invalid (no web address)
  error:   {"kind": "DNSError", "message": "..."}; kind is "HTTP 404" for an http_error
  and last, once:
  {"type": "summary", "version": 1, "ok": 98, "not_ok": 2, "unchecked": 0, "stopped": null, "bytes": 120000,
   "calls": 100, "outcomes": {"ok": 98, "failed": 2}, "errors": {"DNSError": 2}, "wall": 1.9, "busy": 40.2,
   "speed_up": 21.2, "latency": {"min", "mean", "p50", "p95", "p99", "max"}, "slowest": [the slowest 10 results]}
  stopped: "deadline", "interrupt" or null; speed_up is busy / wall; percentiles are right to within 1 %
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.usage = "weft check [options] URL... | --file FILE | -"
    parser.epilog = _FORMS
    parser.add_argument("urls", nargs="*", metavar="URL", help="an address to check; - reads them from standard input")
    parser.add_argument("-f", "--file", metavar="FILE", help="check the addresses in a file, one on each line")
    _add_conduct(parser.add_argument_group("how to check"))
    _add_request(parser.add_argument_group("what to send"))
    _add_output(parser.add_argument_group("what to print"))


def run(args: argparse.Namespace) -> int:
    """Check everything and return the exit status."""
    if not args.urls and args.file is None:
        raise UsageError("check: nothing to check: write weft check URL, weft check --file FILE, or weft check -")
    if args.urls and args.file is not None:
        raise UsageError("check: give the addresses on the command line or by --file, not both")
    if args.urls != ["-"] and "-" in args.urls:
        raise UsageError("check: - reads all addresses from standard input: give no other beside it")
    from weft.cli.checking import check  # noqa: PLC0415 - help and mistakes need not wait for the HTTP engine

    return check(args)


def _add_conduct(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "-n", "--limit", type=at_least(1), default=_AT_ONCE, metavar="N", help="checks under way at once (default: 100)"
    )
    group.add_argument(
        "--per-host", type=at_least(1), metavar="N", help="of these, at one host (default: the same number)"
    )
    group.add_argument(
        "-t", "--timeout", type=seconds, default=10.0, metavar="S", help="seconds for each (default: 10)"
    )
    group.add_argument("--deadline", type=seconds, metavar="S", help="seconds for all of them (default: no end)")
    group.add_argument(
        "--retries", type=at_least(0), default=0, metavar="N", help="further tries when there is no answer (default: 0)"
    )


def _add_request(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--method", choices=("GET", "HEAD"), default="GET", help="HEAD asks for no body (default: GET)")
    group.add_argument(
        "--max-body", type=bytes_of, metavar="SIZE", help="fail on a longer body, like 10MB (default: no bound)"
    )
    group.add_argument("--ca-file", metavar="FILE", help="trust the certificates in this file (PEM) instead")
    group.add_argument("--insecure", action="store_true", help="accept any certificate")


def _add_output(group: argparse._ArgumentGroup) -> None:
    forms = group.add_mutually_exclusive_group()
    forms.add_argument("--json", action="store_true", help="a line of JSON for each, and one for the summary")
    forms.add_argument("--csv", action="store_true", help="a line of CSV for each, after a line of titles")
    group.add_argument("-q", "--quiet", action="store_true", help="no progress, no summary; as text, failures only")
    group.add_argument("--no-color", action="store_true", help="no colour (also by NO_COLOR in the environment)")
