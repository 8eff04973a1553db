"""Facts about `weft check` as its users see it: a process, its output and its exit status."""

import csv
import json
import signal
import socket
import subprocess

import pytest
from commandline import command, environment, weft


def lines_of(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def closed_port():
    """An address where nobody listens, and where nobody can begin to during the test."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}/"


def test_sites_that_are_fine_exit_with_0(site):
    """Where every site answers below 400 the status is 0; data is on standard output, the summary on standard error."""
    done = weft("check", f"{site.url}/ok", f"{site.url}/ok2")
    assert done.returncode == 0
    assert sorted(line.split()[-1] for line in done.stdout.splitlines()) == [f"{site.url}/ok", f"{site.url}/ok2"]
    assert "2 sites in" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr


def test_a_site_that_is_not_fine_exits_with_1(site, closed_port):
    """A 404 and a refused connection are failures: the status is 1, and each line says what went wrong."""
    done = weft("check", f"{site.url}/missing", f"{site.url}/ok", closed_port)
    assert done.returncode == 1
    rows = {line.split("http", 1)[1].split()[0]: line for line in done.stdout.splitlines() if "://" in line}
    assert len(rows) == 3
    assert f"{site.url}/missing  Not Found" in done.stdout
    assert "1 fine, 2 not" in done.stderr
    assert "ConnectError" in done.stderr


def test_json_is_a_line_for_each_and_one_for_the_summary(site, closed_port):
    """--json prints a "result" for each site as it ends, and last a "summary"; nothing else on standard output."""
    done = weft("check", "--json", f"{site.url}/ok", f"{site.url}/missing", closed_port)
    *results, summary = lines_of(done)
    by_line = {result["line"]: result for result in results}
    assert [by_line[n]["outcome"] for n in (1, 2, 3)] == ["ok", "http_error", "failed"]
    assert (by_line[1]["status"], by_line[1]["bytes"], by_line[1]["http_version"]) == (200, 1000, "1.1")
    assert by_line[3]["error"]["kind"] == "ConnectError"
    assert (summary["type"], summary["ok"], summary["not_ok"]) == ("summary", 1, 2)
    assert all(line["version"] == 1 for line in (*results, summary))
    assert done.stderr == ""


def test_phases_are_part_of_the_whole(site):
    """The phases of a check are those that happened, in order, and add up to no more than it took."""
    done = weft("check", "--json", f"{site.url}/ok")
    result = lines_of(done)[0]
    assert list(result["phases"])[-2:] == ["wait", "body"]
    assert "connect" in result["phases"]
    assert sum(result["phases"].values()) <= result["seconds"] + 1e-5


def test_the_help_shows_every_key(site):
    """`weft check --help` shows the JSON form: each key that a result and a summary have, and no other outcome."""
    said = weft("check", "--help").stdout
    result, summary = lines_of(weft("check", "--json", f"{site.url}/ok"))
    assert [key for key in (*result, *summary, *summary["latency"]) if f'"{key}"' not in said] == []
    assert all(word in said for word in ("http_error", "failed", "timed_out", "cancelled", "refused", "invalid"))


def test_csv_has_titles(site):
    """--csv prints a line of titles and a line for each site."""
    done = weft("check", "--csv", f"{site.url}/ok", f"{site.url}/missing")
    rows = {row["url"]: row for row in csv.DictReader(done.stdout.splitlines())}
    assert rows[f"{site.url}/ok"]["ok"] == "true"
    assert rows[f"{site.url}/missing"]["error_kind"] == "HTTP 404"


def test_addresses_come_from_standard_input(site):
    """`weft check -` reads one address a line; a malformed line is one failure, with its number."""
    done = weft("check", "-", "--json", feed=f"# sites\n{site.url}/a\n\nhttp://a b/\n{site.url}/b\n")
    *results, summary = lines_of(done)
    assert {result["line"]: result["outcome"] for result in results} == {2: "ok", 4: "invalid", 5: "ok"}
    assert summary["errors"] == {"InvalidURL": 1}
    assert done.returncode == 1


def test_addresses_come_from_a_file(site, tmp_path):
    """--file reads one address a line, and --file - is standard input."""
    file = tmp_path / "urls.txt"
    file.write_text(f"{site.url}/ok\n")
    assert weft("check", "--file", file).returncode == 0
    assert weft("check", "--file", "-", feed=file.read_text()).returncode == 0


def test_head_asks_for_no_body(site):
    """--method HEAD sends HEAD and receives no body."""
    (result, _) = lines_of(weft("check", "--json", "--method", "HEAD", f"{site.url}/ok"))
    assert site.requests == [("HEAD", "/ok")]
    assert (result["status"], result["bytes"]) == (200, 0)


def test_a_body_that_is_too_long_is_a_failure(site):
    """--max-body fails a check whose body is longer, and lets the others be."""
    (result, _) = lines_of(weft("check", "--json", "--max-body", "999", f"{site.url}/ok"))
    assert result["error"]["kind"] == "BodyTooLarge"
    assert weft("check", "--max-body", "1k", f"{site.url}/ok").returncode == 0


def test_certificates_are_checked(tls_site, authority):
    """An unknown authority is a TLSError; --ca-file trusts it, --insecure asks for none."""
    (result, _) = lines_of(weft("check", "--json", tls_site.url))
    assert result["error"]["kind"] == "TLSError"
    assert weft("check", "--ca-file", authority.file, tls_site.url).returncode == 0
    assert weft("check", "--insecure", tls_site.url).returncode == 0


def test_a_bare_host_is_checked_over_tls(tls_site, authority):
    """`https://` is assumed for a bare host name, and TLS is a phase of its own."""
    (result, _) = lines_of(weft("check", "--json", "--ca-file", authority.file, tls_site.host))
    assert result["url"] == tls_site.url
    assert "tls" in result["phases"]


def test_the_limit_is_used_to_the_full_even_at_one_host(site):
    """--limit 150 has 150 checks under way at one host, beyond the library's 100 for a host, and never more."""
    site.gate = 150
    done = weft("check", "--limit", "150", "-", feed="".join(f"{site.url}/gate{n}\n" for n in range(300)))
    assert done.returncode == 0
    assert site.most == 150


def test_the_limit_per_host_holds(site):
    """--per-host 3 lets 3 checks reach one host, whatever the limit for all: the others wait for a place."""
    done = weft("check", "--per-host", "3", "--deadline", "0.5", *[f"{site.url}/hang{n}" for n in range(30)])
    assert done.returncode == 1
    assert len(site.requests) == 3


def test_a_site_that_does_not_answer_times_out(site):
    """--timeout ends a check that takes longer, with the outcome "timed_out"."""
    (result, _) = lines_of(weft("check", "--json", "--timeout", "0.2", f"{site.url}/hang"))
    assert result["outcome"] == "timed_out"
    assert result["seconds"] == pytest.approx(0.2, abs=1.0)


def test_the_deadline_ends_the_run(site):
    """--deadline ends everything; the summary says so, and the status is 1."""
    done = weft("check", "--json", "--deadline", "0.3", "--limit", "2", *[f"{site.url}/hang"] * 5)
    summary = lines_of(done)[-1]
    assert done.returncode == 1
    assert (summary["stopped"], summary["ok"], summary["not_ok"]) == ("deadline", 0, 5)


def test_a_broken_connection_is_tried_again(site):
    """--retries tries again where the connection broke, as often as it says."""
    (result, _) = lines_of(weft("check", "--json", "--retries", "2", f"{site.url}/broken"))
    assert result["outcome"] == "failed"
    assert result["attempts"] == 3


def test_quiet_prints_failures_only(site):
    """-q prints no summary and no line for what is fine; the failures and the status remain."""
    done = weft("check", "-q", f"{site.url}/ok", f"{site.url}/missing")
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""


def test_ctrl_c_ends_with_a_summary_of_what_was_done(site):
    """Ctrl-C cancels what is under way, closes its connections, tells what was done so far, and exits with 130."""
    running = subprocess.Popen(
        command("check", f"{site.url}/ok", f"{site.url}/hang"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(),
    )  # fmt: skip
    with running:
        first = running.stdout.readline()
        assert site.hanging.wait(30)
        running.send_signal(signal.SIGINT)
        assert site.quiet.wait(30)
        said = running.stderr.read()
    assert f"{site.url}/ok" in first
    assert "1 site in" in said
    assert "interrupted: 1 site not checked" in said
    assert "Traceback" not in said
    assert running.returncode == 130


def test_a_reader_who_has_enough_ends_the_run_quietly(site):
    """`weft check ... | head -1` ends without a traceback, and does not check the rest."""
    running = subprocess.Popen(
        command("check", "-", "--limit", "10"),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(),
    )  # fmt: skip
    running.stdin.write("".join(f"{site.url}/ok{n}\n" for n in range(2000)))
    running.stdin.close()
    assert site.url in running.stdout.readline()
    running.stdout.close()
    assert running.stderr.read() == ""
    running.stderr.close()
    assert running.wait(30) == 141
    assert len(site.requests) < 2000


@pytest.mark.slow
def test_two_thousand_sites(site):
    """2,000 addresses from a pipe are all checked, over no more connections than the limit."""
    done = weft("check", "-", "--json", "--limit", "50", feed="".join(f"{site.url}/ok{n}\n" for n in range(2000)))
    *results, summary = lines_of(done)
    assert sorted(result["line"] for result in results) == list(range(1, 2001))
    assert (summary["ok"], summary["latency"]["p50"] > 0) == (2000, True)
    assert site.most <= 50
    assert done.returncode == 0
