"""The REST API's part for tokens: granting, listing and revoking them, and OAuth 2.0's token endpoint."""

from __future__ import annotations

from typing import IO, Any
from urllib.parse import parse_qs

import bottle

from coven.agent.rights.callers import Scope
from coven.agent.store import Row, conflict
from coven.rest import web
from coven.rest.gate import Credential, Gate, presented
from coven.rest.routes import FORM, TOKEN_ENDPOINT, route
from itf.mistakes import Kind, Mistake, Refused

_MOST_FORM = 4096  #: bytes


class TokensApi:
    gate: Gate

    def _tokens(self) -> Any:
        if self.gate.tokens is None:
            raise conflict("an agent that asks nobody for a token", "serve without --no-auth", "no authentication")
        return self.gate.tokens

    @route("GET", "/v1/tokens", "Who may do what", reply="Tokens", scope=Scope.ADMIN, errors=(409,))
    def list_tokens(self) -> Row:
        return {"tokens": self._tokens().listed()}

    @route("POST", "/v1/tokens", "Grant scopes; the answer alone has the token", status=201, reply="NewToken",
           body="CreateToken", scope=Scope.ADMIN, errors=(409, 422, 507))  # fmt: skip
    def create_token(self, body: Row) -> Row:
        scopes = frozenset(map(Scope, body["scopes"]))
        row, secret = self._tokens().create(body["name"], scopes, body.get("seconds"), body.get("certificate", False))
        web.located(f"/v1/tokens/{row['name']}")
        return {**row, "token": secret}

    @route("DELETE", "/v1/tokens/{name}", "Revoke a token", status=204, scope=Scope.ADMIN, errors=(409, 507))
    def revoke_token(self, name: str) -> None:
        self._tokens().revoke(name)

    @route("POST", TOKEN_ENDPOINT, "An access token for client credentials (RFC 6749, 4.4)", reply="AccessToken",
           body="AccessTokenRequest", media=(FORM,), scope=None, errors=(401, 403, 409, 422, 429))  # fmt: skip
    def give_access(self, body: IO[bytes]) -> Row:
        tokens = self._tokens()
        form = _form(body)
        if form.get("grant_type") != "client_credentials":
            found = form.get("grant_type", "nothing")[:60]
            mistake = Mistake(field="grant_type", found=found, expected="client_credentials")
            raise Refused(mistake, title="unsupported_grant_type", kind=Kind.UNREADABLE)
        credential = presented(web.header) or Credential(form.get("client_secret", ""), form.get("client_id", ""))
        caller = self.gate.owner(credential, web.origin())
        web.known_as(caller)
        wanted = set(form.get("scope", "").split()) or set(caller.scopes)
        if not all(scope in set(Scope) and caller.may(Scope(scope)) for scope in wanted):
            known = " ".join(sorted(caller.scopes))
            mistake = Mistake(field="scope", found=" ".join(sorted(wanted))[:60], expected=known)
            raise Refused(mistake, title="invalid_scope", kind=Kind.UNREADABLE)
        bottle.response.set_header("Cache-Control", "no-store")
        token, seconds = tokens.access(caller, map(Scope, wanted))
        return {
            "access_token": token, "token_type": "Bearer", "expires_in": seconds,
            "scope": " ".join(sorted(wanted)),
        }  # fmt: skip


def _form(body: IO[bytes]) -> dict[str, str]:
    """The fields of a form, each once. Raises Refused with 400."""
    try:
        text = body.read(_MOST_FORM).decode("ascii")
        fields = parse_qs(text, keep_blank_values=True, strict_parsing=True, errors="strict")
    except ValueError:
        fields = {}
    if not fields or any(len(values) > 1 for values in fields.values()):
        mistake = Mistake(file="request", found="something else", expected="a form with each field once")
        raise Refused(mistake, title="invalid_request", kind=Kind.UNREADABLE)
    return {name: values[0] for name, values in fields.items()}
