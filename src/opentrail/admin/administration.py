"""The operator's commands as methods: JSON-ready arguments in, JSON-ready answers out."""

import re
import string
from collections.abc import Awaitable, Callable
from typing import Any

from opentrail.arn import root_arn
from opentrail.clock import Clock, Identifiers
from opentrail.errors import OperatorError
from opentrail.identity import Credential, Principal, PrincipalType, Role, User
from opentrail.policy.document import MalformedPolicy, PolicyKind, parse_policy
from opentrail.policy.managed import MANAGED_POLICIES
from opentrail.ports.archives import Archive, Archives
from opentrail.ports.identity_store import EntityAlreadyExists, IdentityStore, NoSuchEntity
from opentrail.ports.object_store import AlreadyExists
from opentrail.ports.signer import Signer

Answer = dict[str, Any]
Record = Callable[[str, str, Answer], Awaitable[None]]
"""Puts one administrative change on record: event source, event name, details."""

_ID_ALPHABET = string.ascii_uppercase + "234567"
_SECRET_ALPHABET = string.ascii_letters + string.digits + "/+"
_INLINE_POLICY_NAME = "default"
NAME_ALPHABET = frozenset(string.ascii_letters + string.digits + "+=,.@_-")
MAX_USER_NAME_LENGTH = 64  # IAM's own bound
ACCOUNT_ID_LENGTH = 12

_KEY_ID = re.compile(r"[!-~]{4,128}")
_REGION = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")

_IAM = "iam.amazonaws.com"


def new_root_credential(account_id: str, identifiers: Identifiers) -> Credential:
    """Return a new key pair of the account's Root identity, the owner."""
    return Credential(
        access_key_id="AKIA" + identifiers.token(16, _ID_ALPHABET),
        secret_access_key=identifiers.token(40, _SECRET_ALPHABET),
        principal=Principal(PrincipalType.ROOT, account_id, root_arn(account_id), account_id),
    )


class Administration:
    """The operator's commands over one installation's stores. Each change is on record before it is answered.

    Every method raises OperatorError with a sentence that says what to do.
    """

    def __init__(
        self,
        *,
        account_id: str,
        region: str,
        identities: IdentityStore,
        archives: Archives,
        signer: Signer,
        record: Record,
        clock: Clock,
        identifiers: Identifiers,
    ) -> None:
        self._account_id = account_id
        self._region = region
        self._identities = identities
        self._archives = archives
        self._signer = signer
        self._record = record
        self._clock = clock
        self._identifiers = identifiers

    def commands(self) -> dict[str, Callable[..., Awaitable[Answer]]]:
        """Return what the control socket may call, by name."""
        return {
            command.__name__: command
            for command in (
                self.create_user,
                self.list_users,
                self.delete_user,
                self.create_role,
                self.list_roles,
                self.delete_role,
                self.put_policy,
                self.create_key,
                self.import_key,
                self.list_keys,
                self.set_key_active,
                self.delete_key,
                self.create_archive,
                self.list_archives,
                self.rotate_signing_key,
            )
        }

    def _account(self, account: str) -> str:
        """Return the account that a command is about: the one it names, else the installation's own."""
        if account:
            check_account(account)
        return account or self._account_id

    async def create_user(self, name: str, policy: str = "", managed: str = "", account: str = "") -> Answer:
        """Create a user with at most one policy: a document (JSON text) or a managed policy's name."""
        _check_name(name)
        account_id = self._account(account)
        document = _policy_text(policy, managed)
        user = User(
            account_id=account_id,
            name=name,
            user_id="AIDA" + self._identifiers.token(17, _ID_ALPHABET),
            arn=f"arn:aws:iam::{account_id}:user/{name}",
            path="/",
            created_at=self._clock.now(),
            policies={_INLINE_POLICY_NAME: document} if document else {},
        )
        try:
            await self._identities.create_user(user)
        except EntityAlreadyExists as error:
            raise OperatorError(f"the user {name} exists already") from error
        await self._record(_IAM, "CreateUser", {"userName": name, "arn": user.arn, "managedPolicy": managed or None})
        return {"name": name, "arn": user.arn, "user_id": user.user_id}

    async def list_users(self, account: str = "") -> Answer:
        """Return the users with their policies' names."""
        users = await self._identities.users(self._account(account))
        return {
            "users": [{"name": user.name, "arn": user.arn, "has_policy": bool(user.policies)} for user in users],
        }

    async def delete_user(self, name: str, account: str = "") -> Answer:
        """Delete a user with its keys."""
        account_id = self._account(account)
        try:
            await self._identities.delete_user(account_id, name)
        except NoSuchEntity as error:
            raise OperatorError(f"there is no user {name}") from error
        await self._record(_IAM, "DeleteUser", {"userName": name, "accountId": account_id})
        return {"name": name}

    async def create_role(
        self, name: str, trust_policy: str, policy: str = "", managed: str = "", account: str = ""
    ) -> Answer:
        """Create a role: who may assume it (a trust policy), and what it may do."""
        _check_name(name)
        _check_policy(trust_policy, PolicyKind.TRUST)
        document = _policy_text(policy, managed)
        account_id = self._account(account)
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
        try:
            await self._identities.create_role(role)
        except EntityAlreadyExists as error:
            raise OperatorError(f"the role {name} exists already") from error
        await self._record(_IAM, "CreateRole", {"roleName": name, "arn": role.arn, "managedPolicy": managed or None})
        return {"name": name, "arn": role.arn, "role_id": role.role_id}

    async def list_roles(self, account: str = "") -> Answer:
        """Return the roles."""
        roles = await self._identities.roles(self._account(account))
        return {"roles": [{"name": role.name, "arn": role.arn, "has_policy": bool(role.policies)} for role in roles]}

    async def delete_role(self, name: str, account: str = "") -> Answer:
        """Delete a role; its sessions stop being allowed anything."""
        account_id = self._account(account)
        try:
            await self._identities.delete_role(account_id, name)
        except NoSuchEntity as error:
            raise OperatorError(f"there is no role {name}") from error
        await self._record(_IAM, "DeleteRole", {"roleName": name, "accountId": account_id})
        return {"name": name}

    async def put_policy(self, kind: str, name: str, policy: str = "", managed: str = "", account: str = "") -> Answer:
        """Replace what a user or role (``kind``) may do; neither a document nor a managed name takes all away."""
        document = _policy_text(policy, managed)
        arn = f"arn:aws:iam::{self._account(account)}:{kind}/{name}"
        try:
            await self._identities.put_policy(arn, _INLINE_POLICY_NAME, document or None)
        except NoSuchEntity as error:
            raise OperatorError(f"there is no {kind} {name}") from error
        change = f"{'Put' if document else 'Delete'}{kind.capitalize()}Policy"
        await self._record(_IAM, change, {f"{kind}Name": name, "arn": arn})
        return {"arn": arn}

    async def create_key(self, user: str = "", account: str = "") -> Answer:
        """Create a key pair of a user, or of the account's Root; the secret is in this answer and nowhere else."""
        account_id = self._account(account)
        if not user:
            credential = new_root_credential(account_id, self._identifiers)
        else:
            found = await self._identities.user(account_id, user)
            if found is None:
                raise OperatorError(f"there is no user {user}; `opentrail users create {user}` makes one")
            credential = Credential(
                access_key_id="AKIA" + self._identifiers.token(16, _ID_ALPHABET),
                secret_access_key=self._identifiers.token(40, _SECRET_ALPHABET),
                principal=_user_principal(found),
            )
        await self._identities.add_credential(credential)
        details = {"userName": user, "accountId": account_id, "accessKeyId": credential.access_key_id}
        await self._record(_IAM, "CreateAccessKey", details)
        return {
            "access_key_id": credential.access_key_id,
            "secret_access_key": credential.secret_access_key,
            "arn": credential.principal.arn,
        }

    async def import_key(self, access_key_id: str, secret_access_key: str, user: str = "", account: str = "") -> Answer:
        """Register an upstream's key pair under a user (made when missing) or, without one, the account's Root."""
        account_id = self._account(account)
        if not _KEY_ID.fullmatch(access_key_id) or not secret_access_key:
            raise OperatorError(
                "an access key id has 4 to 128 printable ASCII characters, and its secret cannot be empty"
            )
        if user and await self._identities.user(account_id, user) is None:
            await self.create_user(user, account=account_id)
        found = await self._identities.user(account_id, user) if user else None
        root = Principal(PrincipalType.ROOT, account_id, root_arn(account_id), account_id)
        credential = Credential(
            access_key_id=access_key_id,
            secret_access_key=secret_access_key,
            principal=_user_principal(found) if found else root,
            is_imported=True,
        )
        try:
            await self._identities.add_credential(credential)
        except EntityAlreadyExists as error:
            raise OperatorError(f"the key {access_key_id} is known already") from error
        details = {"userName": user, "accountId": account_id, "accessKeyId": access_key_id}
        await self._record(_IAM, "ImportAccessKey", details)
        return {"access_key_id": access_key_id, "arn": credential.principal.arn}

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
        try:
            await self._identities.set_credential_active(access_key_id, is_active)
        except NoSuchEntity as error:
            raise OperatorError(f"there is no key {access_key_id}") from error
        status = "Active" if is_active else "Inactive"
        await self._record(_IAM, "UpdateAccessKey", {"accessKeyId": access_key_id, "status": status})
        return {"access_key_id": access_key_id, "status": status}

    async def delete_key(self, access_key_id: str) -> Answer:
        """Delete a key."""
        try:
            await self._identities.delete_credential(access_key_id)
        except NoSuchEntity as error:
            raise OperatorError(f"there is no key {access_key_id}") from error
        await self._record(_IAM, "DeleteAccessKey", {"accessKeyId": access_key_id})
        return {"access_key_id": access_key_id}

    async def create_archive(self, name: str, region: str = "") -> Answer:
        """Make a local bucket that trails can deliver to and that is served read-only over S3."""
        _check_region(region)
        archive = Archive(name, region or self._region, self._account_id, self._clock.now())
        try:
            self._archives.create(archive)
        except AlreadyExists as error:
            raise OperatorError(f"the archive {name} exists already") from error
        except ValueError as error:
            raise OperatorError(f"{name} cannot be an archive's name: {error}") from error
        await self._record("s3.amazonaws.com", "CreateBucket", {"bucketName": name})
        return {"name": name, "region": archive.region}

    async def list_archives(self) -> Answer:
        """Return the local buckets."""
        return {
            "archives": [
                {"name": archive.name, "region": archive.region, "created_at": archive.created_at.isoformat()}
                for archive in self._archives.list()
            ]
        }

    async def rotate_signing_key(self, region: str = "") -> Answer:
        """Start signing a Region's digests with a new key pair; the old public key stays listed."""
        _check_region(region)
        region = region or self._region
        key = await self._signer.rotate(region, self._clock.now())
        await self._record("cloudtrail.amazonaws.com", "RotateSigningKey", {"fingerprint": key.fingerprint})
        return {"region": region, "fingerprint": key.fingerprint, "valid_until": key.valid_until.date().isoformat()}


def check_account(account: str) -> None:
    """Raise OperatorError unless ``account`` is an account id."""
    if not (len(account) == ACCOUNT_ID_LENGTH and account.isascii() and account.isdigit()):
        raise OperatorError(f"{account!r} is no account: an account id has {ACCOUNT_ID_LENGTH} digits")


def _user_principal(user: User) -> Principal:
    return Principal(PrincipalType.IAM_USER, user.user_id, user.arn, user.account_id, user.name)


def _check_name(name: str) -> None:
    if not name or len(name) > MAX_USER_NAME_LENGTH or not set(name) <= NAME_ALPHABET:
        raise OperatorError(f"{name!r} cannot be a name: letters, digits and +=,.@_- only, at most 64 characters")


def _check_region(region: str) -> None:
    if region and not _REGION.fullmatch(region):
        raise OperatorError(f"{region[:64]!r} cannot be a Region's name, such as us-east-1")


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
