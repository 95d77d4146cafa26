#!/usr/bin/env python3
"""Tests the messages of a product for failures between it and its license server, with smart-licensing-lab.

    npm install --save-dev smart-licensing-agent
    python3 lab.py [path of smart-licensing-lab]

Needs Python 3.9 and requests (Debian: python3-requests). Replace the class Product by your own product.
"""

import json
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import quote

import requests


class Lab:
    """Runs smart-licensing-lab, and switches its faults."""

    def __init__(self, program):
        # Every port is a free one. Without these options, the proxies have the usual ports 3128 and 3129.
        ports = ["--port", "--gateway-port", "--proxy-port", "--locked-proxy-port", "--api-port"]
        command = [program, *(word for port in ports for word in (port, "0")), "--json"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        # The lab prints one line of JSON when it is ready: its addresses, and the files with its secrets and certificates.
        line = self.process.stdout.readline()
        if not line:
            sys.exit("The lab ended. Its error is above.")
        self.info = json.loads(line)
        self.api = requests.Session()
        self.api.trust_env = False
        self.api.headers["Authorization"] = "Bearer " + self.read("bearerFile")

    def read(self, name):
        return Path(self.info[name]).read_text()

    def set_faults(self, *faults):
        answer = self.api.put(self.info["api"] + "/chaos", json={"faults": faults}, timeout=10)
        assert answer.ok, answer.text

    def close(self):
        self.process.terminate()
        self.process.wait()


class Product:
    """Product that registers at a license server, and explains failures to its user."""

    def __init__(self, url, ca_file, proxy=None):
        self.url = url + "/smart-agent/v1/register"
        self.ca_file = ca_file
        self.session = requests.Session()
        # Proxies of the environment must not change the test.
        self.session.trust_env = False
        if proxy:
            self.session.proxies = {"https": proxy}

    def register(self):
        try:
            answer = self.session.post(self.url, json={}, verify=self.ca_file, timeout=2)
        except requests.RequestException as error:
            return self.explain(error)
        if answer.status_code == 503:
            return f"The license server is busy. Trying again in {answer.headers['Retry-After']} seconds."
        if "json" not in answer.headers.get("Content-Type", ""):
            return "Something else answers in place of the license server. Sign in to the network with a browser."
        return "The license server answers."

    @staticmethod
    def explain(error):
        causes = find_causes(error)
        texts = " ".join(str(cause) for cause in causes)
        tls = next((cause for cause in causes if isinstance(cause, ssl.SSLCertVerificationError)), None)
        if tls is not None:
            if tls.verify_code == 10:  # X509_V_ERR_CERT_HAS_EXPIRED
                return "The certificate of the license server has expired. Check the clock of this device."
            return "The certificate is not trusted. If a firewall inspects TLS, add its CA to this device."
        # A connection that ends while TLS starts is an SSLError, too.
        cuts = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionResetError)
        was_cut = any(isinstance(cause, cuts) for cause in causes)
        if isinstance(error, requests.exceptions.SSLError) and not was_cut:
            return f"The connection is not secure: {error}"
        if isinstance(error, requests.exceptions.ProxyError):
            if " 407 " in texts:
                return "The proxy refuses the user name or the password."
            if " 403 " in texts:
                return "The proxy does not allow connections to the license server."
            return "The proxy cannot connect to the license server."
        if isinstance(error, requests.Timeout):
            return "The license server does not answer in time."
        if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
            return "Nothing listens at the address of the license server. Check the address and the port."
        if isinstance(error, requests.ConnectionError):
            return "The connection was cut. Trying again later."
        raise error


def find_causes(error):
    """Returns an error with the errors inside it. requests and urllib3 keep them in different places."""
    found = []
    remaining = [error]
    while remaining:
        cause = remaining.pop()
        if isinstance(cause, Exception) and cause not in found:
            found.append(cause)
            remaining += [cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args]
    return found


def run_tests(lab, directory):
    info = lab.info
    root = info["trustFile"]
    # A device behind a middlebox that inspects TLS trusts the CA of that box, too.
    both = directory / "both.pem"
    both.write_text(lab.read("trustFile") + lab.read("middleboxCaFile"))
    host = info["lockedProxy"].removeprefix("http://")
    user, password = info["proxyUsername"], quote(lab.read("proxyPasswordFile"), safe="")

    direct = Product(info["url"], root)
    with_middlebox_ca = Product(info["url"], str(both))
    gateway = Product(info["gateway"], root)
    proxy = Product(info["url"], root, proxy=info["proxy"])
    locked = Product(info["url"], root, proxy=f"http://{user}:{password}@{host}")
    wrong_password = Product(info["url"], root, proxy=f"http://{user}:wrong@{host}")

    # Faults, the product that meets each, and words of the message that its user must see.
    for fault, product, expected in [
        (None, direct, "answers."),
        (None, gateway, "answers."),
        (None, proxy, "answers."),
        (None, locked, "answers."),
        (None, wrong_password, "user name or the password"),
        ("tls-expired", direct, "has expired"),
        ("tls-expired", locked, "has expired"),
        ("tls-inspected", direct, "add its CA"),
        ("tls-inspected", with_middlebox_ca, "answers."),
        ("reset", direct, "was cut"),
        ("reset", proxy, "was cut"),
        ("refused", direct, "Nothing listens"),
        ("refused", proxy, "proxy cannot connect"),
        ("proxy-forbidden", proxy, "does not allow"),
        ("proxy-forbidden", direct, "answers."),
        ("proxy-auth-refused", locked, "user name or the password"),
        ("error503", direct, "in 120 seconds"),
        ("error503", gateway, "in 120 seconds"),
        ("captive-portal", locked, "Sign in to the network"),
        ("silence", direct, "in time"),
        (None, direct, "answers."),
    ]:
        lab.set_faults(*([fault] if fault else []))
        message = product.register()
        print(f"{fault or 'no fault':20} {message}", flush=True)
        assert expected in message, f"{fault}: expected {expected!r}"


if __name__ == "__main__":
    running = Lab(sys.argv[1] if len(sys.argv) > 1 else "node_modules/.bin/smart-licensing-lab")
    try:
        with tempfile.TemporaryDirectory() as temporary:
            run_tests(running, Path(temporary))
    finally:
        running.close()
    print("Every failure was reported rightly.")
