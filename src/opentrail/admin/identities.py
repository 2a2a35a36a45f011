"""The operator's commands over users, roles, keys, policies and MFA devices.

Every change is put on record first and takes effect after that, whichever way it points: taking a key, a policy or an
MFA device away can hide what is done next, and giving one lets somebody act at once. A change that nobody recorded is
worse than a record of a change that did not come: that one is followed by a second event which says so
(``tookEffect`` false), and only a crash in between can leave it out. A change that cannot be put on record is not made.
"""

import re
import string
from base64 import b32decode
from collections.abc import Awaitable, Callable
from typing import Any

from opentrail.arn import root_arn
from opentrail.clock import Clock, Identifiers
from opentrail.errors import OperatorError
from opentrail.identity import Credential, Principal, PrincipalType, Role, User
from opentrail.identity.mfa import SECRET_BYTES, MfaDevice, otpauth_uri, shared_secret
from opentrail.policy.document import MalformedPolicy, PolicyKind, parse_policy
from opentrail.policy.managed import MANAGED_POLICIES
from opentrail.ports import Unavailable
from opentrail.ports.identity_store import EntityAlreadyExists, IdentityStore, NoSuchEntity

Answer = dict[str, Any]
Command = Callable[..., Awaitable[Answer]]
Record = Callable[[str, str, Answer], Awaitable[None]]
"""Puts one administrative change on record, durably: event source, event name, details. Raises Unavailable."""

_ID_ALPHABET = string.ascii_uppercase + "234567"
_SECRET_ALPHABET = string.ascii_letters + string.digits + "/+"
_INLINE_POLICY_NAME = "default"
NAME_ALPHABET = frozenset(string.ascii_letters + string.digits + "+=,.@_-")
MAX_USER_NAME_LENGTH = 64  # IAM's own bound
ACCOUNT_ID_LENGTH = 12

_KEY_ID = re.compile(r"[!-~]{4,128}")

_IAM = "iam.amazonaws.com"
_OWNER_DEVICE = "root-account-mfa-device"


def new_root_credential(account_id: str, identifiers: Identifiers) -> Credential:
    """Return a new key pair of the account's Root identity, the owner."""
    return _new_credential(_root_principal(account_id), identifiers)


class IdentityAdministration:
    """Commands over one installation's identities. Every method raises OperatorError with a sentence that says what to
    do; a mistake is neither carried out nor recorded."""

    def __init__(
        self, *, account_id: str, identities: IdentityStore, record: Record, clock: Clock, identifiers: Identifiers
    ) -> None:
        self._account_id = account_id
        self._identities = identities
        self._record = record
        self._clock = clock
        self._identifiers = identifiers

    def commands(self) -> dict[str, Command]:
        """Return what the control socket may call, by name."""
        return {
            command.__name__: command
            for command in (
                self.create_user,
                self.list_users,
                self.delete_user,
                self.enable_mfa,
                self.disable_mfa,
                self.create_role,
                self.list_roles,
                self.delete_role,
                self.put_policy,
                self.create_key,
                self.import_key,
                self.list_keys,
                self.set_key_active,
                self.delete_key,
            )
        }

    def _account(self, account: str) -> str:
        """Return the account that a command is about: the one it names, else the installation's own."""
        if account:
            check_account(account)
        return account or self._account_id

    async def _change(self, event_name: str, details: Answer, effect: Callable[[], Awaitable[None]]) -> None:
        """Put a change on record, then let it take effect; put on record, too, when it did not."""
        try:
            await self._record(_IAM, event_name, details)
        except Unavailable as error:
            raise OperatorError("nothing was changed: the change could not be put on record; try again") from error
        try:
            await effect()
        except Exception as error:
            reason = str(error) if isinstance(error, (EntityAlreadyExists, NoSuchEntity, Unavailable)) else ""
            await self._record(_IAM, event_name, {**details, "tookEffect": False, "reason": reason or "it failed"})
            if reason:
                raise OperatorError(f"nothing was changed: {reason}") from error
            raise

    async def _user(self, account_id: str, name: str) -> User:
        user = await self._identities.user(account_id, name)
        if user is None:
            raise OperatorError(f"there is no user {name}; `opentrail users create {name}` makes one")
        return user

    async def create_user(self, name: str, policy: str = "", managed: str = "", account: str = "") -> Answer:
        """Create a user with at most one policy: a document (JSON text) or a managed policy's name."""
        _check_name(name)
        account_id = self._account(account)
        document = _policy_text(policy, managed)
        if await self._identities.user(account_id, name) is not None:
            raise OperatorError(f"the user {name} exists already")
        user = User(
            account_id=account_id,
            name=name,
            user_id="AIDA" + self._identifiers.token(17, _ID_ALPHABET),
            arn=f"arn:aws:iam::{account_id}:user/{name}",
            path="/",
            created_at=self._clock.now(),
            policies={_INLINE_POLICY_NAME: document} if document else {},
        )
        details = {"userName": name, "arn": user.arn, "managedPolicy": managed or None}
        await self._change("CreateUser", details, lambda: self._identities.create_user(user))
        return {"name": name, "arn": user.arn, "user_id": user.user_id}

    async def list_users(self, account: str = "") -> Answer:
        """Return the users, whether they have a policy and an MFA device."""
        return {
            "users": [
                {
                    "name": user.name,
                    "arn": user.arn,
                    "has_policy": bool(user.policies),
                    "has_mfa": await self._identities.mfa_device(user.arn) is not None,
                }
                for user in await self._identities.users(self._account(account))
            ],
        }

    async def delete_user(self, name: str, account: str = "") -> Answer:
        """Delete a user with its keys and its MFA device."""
        account_id = self._account(account)
        if await self._identities.user(account_id, name) is None:
            raise OperatorError(f"there is no user {name}")
        details = {"userName": name, "accountId": account_id}
        await self._change("DeleteUser", details, lambda: self._identities.delete_user(account_id, name))
        return {"name": name}

    async def enable_mfa(self, name: str = "", account: str = "") -> Answer:
        """Give a user, or without a name the owner, a virtual MFA device; its secret is in this answer and nowhere
        else."""
        account_id = self._account(account)
        arn = await self._mfa_owner(account_id, name)
        if await self._identities.mfa_device(arn) is not None:
            option = name or "--owner"
            raise OperatorError(
                f"{name or 'the owner'} has an MFA device; `opentrail users mfa disable {option}` takes it away"
            )
        device = MfaDevice(
            serial_number=f"arn:aws:iam::{account_id}:mfa/{name or _OWNER_DEVICE}",
            user_arn=arn,
            secret=b32decode(self._identifiers.token(SECRET_BYTES * 8 // 5, _ID_ALPHABET)),
            enabled_at=self._clock.now(),
        )
        details = {"userName": name or "root", "arn": arn, "serialNumber": device.serial_number}
        await self._change("EnableMFADevice", details, lambda: self._identities.add_mfa_device(device))
        return {
            "name": name,
            "serial_number": device.serial_number,
            "secret": shared_secret(device),
            "otpauth_uri": otpauth_uri(device, f"{name or 'owner'}@{account_id}"),
        }

    async def disable_mfa(self, name: str = "", account: str = "", mfa_code: str = "") -> Answer:
        """Take the MFA device of a user, or without a name the owner's, away; sessions that began with it go on. The
        owner's guards what archives hold: taking it away takes a code of it."""
        arn = await self._mfa_owner(self._account(account), name)
        device = await self._identities.mfa_device(arn)
        if device is None:
            raise OperatorError(f"{name or 'the owner'} has no MFA device")
        if not name and not await self._identities.try_mfa_code(arn, device.serial_number, mfa_code, self._clock.now()):
            raise OperatorError("taking the owner's device away takes a right code of it: --mfa CODE")
        details = {"userName": name or "root", "arn": arn, "serialNumber": device.serial_number}
        await self._change("DeactivateMFADevice", details, lambda: self._identities.delete_mfa_device(arn))
        return {"name": name}

    async def _mfa_owner(self, account_id: str, name: str) -> str:
        return (await self._user(account_id, name)).arn if name else root_arn(account_id)

    async def create_role(
        self, name: str, trust_policy: str, policy: str = "", managed: str = "", account: str = ""
    ) -> Answer:
        """Create a role: who may assume it (a trust policy), and what it may do."""
        _check_name(name)
        _check_policy(trust_policy, PolicyKind.TRUST)
        document = _policy_text(policy, managed)
        account_id = self._account(account)
        if await self._identities.role(account_id, name) is not None:
            raise OperatorError(f"the role {name} exists already")
        role = Role(
            account_id=account_id,
            name=name,
            role_id="AROA" + self._identifiers.token(17, _ID_ALPHABET),
            arn=f"arn:aws:iam::{account_id}:role/{name}",
            path="/",
            created_at=self._clock.now(),
            trust_policy=trust_policy,
            policies={_INLINE_POLICY_NAME: document} if document else {},
        )
        details = {"roleName": name, "arn": role.arn, "managedPolicy": managed or None}
        await self._change("CreateRole", details, lambda: self._identities.create_role(role))
        return {"name": name, "arn": role.arn, "role_id": role.role_id}

    async def list_roles(self, account: str = "") -> Answer:
        """Return the roles."""
        roles = await self._identities.roles(self._account(account))
        return {"roles": [{"name": role.name, "arn": role.arn, "has_policy": bool(role.policies)} for role in roles]}

    async def delete_role(self, name: str, account: str = "") -> Answer:
        """Delete a role; its sessions stop being allowed anything."""
        account_id = self._account(account)
        if await self._identities.role(account_id, name) is None:
            raise OperatorError(f"there is no role {name}")
        details = {"roleName": name, "accountId": account_id}
        await self._change("DeleteRole", details, lambda: self._identities.delete_role(account_id, name))
        return {"name": name}

    async def put_policy(self, kind: str, name: str, policy: str = "", managed: str = "", account: str = "") -> Answer:
        """Replace what a user or role (``kind``) may do; neither a document nor a managed name takes all away."""
        document = _policy_text(policy, managed)
        account_id = self._account(account)
        find = self._identities.user if kind == "user" else self._identities.role
        owner = await find(account_id, name)
        if owner is None:
            raise OperatorError(f"there is no {kind} {name}")
        if not document and not owner.policies:
            raise OperatorError(f"the {kind} {name} has no policy")
        change = f"{'Put' if document else 'Delete'}{kind.capitalize()}Policy"
        details = {f"{kind}Name": name, "arn": owner.arn, "managedPolicy": managed or None}
        await self._change(
            change, details, lambda: self._identities.put_policy(owner.arn, _INLINE_POLICY_NAME, document or None)
        )
        return {"arn": owner.arn}

    async def create_key(self, user: str = "", account: str = "") -> Answer:
        """Create a key pair of a user, or of the account's Root; the secret is in this answer and nowhere else."""
        account_id = self._account(account)
        principal = user_principal(await self._user(account_id, user)) if user else _root_principal(account_id)
        credential = _new_credential(principal, self._identifiers)
        details = {"userName": user, "accountId": account_id, "accessKeyId": credential.access_key_id}
        await self._change("CreateAccessKey", details, lambda: self._identities.add_credential(credential))
        return {
            "access_key_id": credential.access_key_id,
            "secret_access_key": credential.secret_access_key,
            "arn": credential.principal.arn,
        }

    async def import_key(self, access_key_id: str, secret_access_key: str, user: str = "", account: str = "") -> Answer:
        """Register an upstream's key pair under a user or, without one, the account's Root.

        A user that is missing is made, without any policy; ``has_made_user`` in the answer says so.
        """
        account_id = self._account(account)
        if not _KEY_ID.fullmatch(access_key_id) or not secret_access_key:
            raise OperatorError(
                "an access key id has 4 to 128 printable ASCII characters, and its secret cannot be empty"
            )
        if await self._identities.credential(access_key_id) is not None:
            raise OperatorError(f"the key {access_key_id} is known already")
        makes_user = bool(user) and await self._identities.user(account_id, user) is None
        if makes_user:
            await self.create_user(user, account=account_id)
        credential = Credential(
            access_key_id=access_key_id,
            secret_access_key=secret_access_key,
            principal=user_principal(await self._user(account_id, user)) if user else _root_principal(account_id),
            is_imported=True,
        )
        details = {"userName": user, "accountId": account_id, "accessKeyId": access_key_id}
        await self._change("ImportAccessKey", details, lambda: self._identities.add_credential(credential))
        return {"access_key_id": access_key_id, "arn": credential.principal.arn, "has_made_user": makes_user}

    async def list_keys(self, account: str = "") -> Answer:
        """Return the long-lived keys without their secrets."""
        keys = await self._identities.credentials(self._account(account))
        return {
            "keys": [
                {
                    "access_key_id": key.access_key_id,
                    "arn": key.principal.arn,
                    "status": "Active" if key.is_active else "Inactive",
                    "origin": "imported" if key.is_imported else "made here",
                }
                for key in keys
                if key.expires_at is None
            ]
        }

    async def set_key_active(self, access_key_id: str, is_active: bool) -> Answer:
        """Switch a key on or off."""
        await self._check_key(access_key_id)
        status = "Active" if is_active else "Inactive"
        details = {"accessKeyId": access_key_id, "status": status}
        await self._change(
            "UpdateAccessKey", details, lambda: self._identities.set_credential_active(access_key_id, is_active)
        )
        return {"access_key_id": access_key_id, "status": status}

    async def delete_key(self, access_key_id: str) -> Answer:
        """Delete a key."""
        await self._check_key(access_key_id)
        details = {"accessKeyId": access_key_id}
        await self._change("DeleteAccessKey", details, lambda: self._identities.delete_credential(access_key_id))
        return {"access_key_id": access_key_id}

    async def _check_key(self, access_key_id: str) -> None:
        if await self._identities.credential(access_key_id) is None:
            raise OperatorError(f"there is no key {access_key_id}")


def check_account(account: str) -> None:
    """Raise OperatorError unless ``account`` is an account id."""
    if not (len(account) == ACCOUNT_ID_LENGTH and account.isascii() and account.isdigit()):
        raise OperatorError(f"{account!r} is no account: an account id has {ACCOUNT_ID_LENGTH} digits")


def user_principal(user: User) -> Principal:
    """Return a user as who signs with its keys."""
    return Principal(PrincipalType.IAM_USER, user.user_id, user.arn, user.account_id, user.name)


def _root_principal(account_id: str) -> Principal:
    return Principal(PrincipalType.ROOT, account_id, root_arn(account_id), account_id)


def _new_credential(principal: Principal, identifiers: Identifiers) -> Credential:
    return Credential(
        access_key_id="AKIA" + identifiers.token(16, _ID_ALPHABET),
        secret_access_key=identifiers.token(40, _SECRET_ALPHABET),
        principal=principal,
    )


def _check_name(name: str) -> None:
    if not name or len(name) > MAX_USER_NAME_LENGTH or not set(name) <= NAME_ALPHABET:
        raise OperatorError(f"{name!r} cannot be a name: letters, digits and +=,.@_- only, at most 64 characters")


def _check_policy(text: str, kind: PolicyKind) -> None:
    try:
        parse_policy(text, kind)
    except MalformedPolicy as error:
        raise OperatorError(f"the policy is not well formed: {error}") from error


def _policy_text(policy: str, managed: str) -> str:
    if policy and managed:
        raise OperatorError("give a policy document or a managed policy's name, not both")
    if managed:
        if managed not in MANAGED_POLICIES:
            raise OperatorError(f"there is no managed policy {managed}; known: {', '.join(sorted(MANAGED_POLICIES))}")
        return MANAGED_POLICIES[managed]
    if policy:
        _check_policy(policy, PolicyKind.IDENTITY)
    return policy
