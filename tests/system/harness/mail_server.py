"""A real mail server (aiosmtpd), which keeps what it takes and can be told to behave badly."""

import asyncio
import ssl

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from harness.fault_proxy import make_certificate
from harness.ports import free_port

USER, PASSWORD = "alice", "s3cret pässword"


class MailServer:
    """localhost:port. `mails` are (sender, recipients, bytes, whether over TLS), in the order of their arrival.

    tls: "starttls" (offered and demanded), "smtps", or "none" (neither TLS nor AUTH is offered). on_rcpt(address) and
    on_data() are asked for an answer such as "451 4.7.1 later"; None: take it. on_data may also say "drop", to close the
    connection after the message without a word, or "stall"; stall_at_quit: to say nothing to the farewell."""

    stall_at_quit = False

    def __init__(self, directory, tls="starttls", on_rcpt=lambda address: None, on_data=lambda: None):
        self.mails, self.senders = [], []
        self.on_rcpt, self.on_data = on_rcpt, on_data
        self.certificate, key = make_certificate(directory)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate, key)
        how = {"starttls": {"tls_context": context, "require_starttls": True},
               "smtps": {"ssl_context": context}, "none": {}}[tls]
        auth = {} if tls == "none" else {"auth_required": True, "auth_require_tls": tls == "starttls",
                                         "authenticator": self._authenticate}
        self.port = free_port()
        self.url = f"{'smtps' if tls == 'smtps' else 'smtp'}://localhost:{self.port}"
        self._controller = Controller(self, hostname="localhost", port=self.port, **how, **auth)
        self._controller.start()

    @staticmethod
    def _authenticate(server, session, envelope, mechanism, data):
        known = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=known, handled=False)  # False: the server itself says no

    async def handle_MAIL(self, server, session, envelope, address, options):  # noqa: N802 (the library's names)
        self.senders.append(address)
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        answer = self.on_rcpt(address)
        if answer:
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        answer = self.on_data()
        if answer == "drop":
            server.transport.abort()
            return "250 never heard"
        if answer == "stall":
            await asyncio.sleep(60)
        elif answer:
            return answer
        tls = session.ssl is not None or server.transport.get_extra_info("ssl_object") is not None
        self.mails.append((envelope.mail_from, envelope.rcpt_tos, envelope.content, tls))
        return "250 2.0.0 queued"

    async def handle_QUIT(self, server, session, envelope):  # noqa: N802
        if self.stall_at_quit:
            await asyncio.sleep(60)
        return "221 bye"

    def stop(self):
        self._controller.stop()
