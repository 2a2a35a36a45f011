"""MFA devices of users and owners (part of the port identity_store): sealed secrets, and attempts one at a time."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, exists, select, update

from opentrail.adapters.metadata_store.database import Database, add
from opentrail.adapters.metadata_store.tables import mfa_devices, users
from opentrail.arn import is_root_arn
from opentrail.identity.mfa import MfaDevice, try_code
from opentrail.ports import Unavailable
from opentrail.ports.identity_store import EntityAlreadyExists, NoSuchEntity
from opentrail.sealing import SealBroken, Sealer

_COLUMNS = mfa_devices.c


class MfaDevices:
    """Devices by their user's ARN, one each. A secret is sealed, bound to that ARN; nothing is cached."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def add(self, device: MfaDevice) -> None:
        values = {
            "user_arn": device.user_arn,
            "serial_number": device.serial_number,
            "sealed_secret": self._sealer.seal(device.secret, seal_context(device.user_arn)),
            "enabled_at": device.enabled_at,
            **_attempts(device),
        }

        def work(connection: Connection) -> None:
            is_user = connection.execute(select(exists().where(users.c.arn == device.user_arn))).scalar()
            if not is_user and not is_root_arn(device.user_arn):
                raise NoSuchEntity(f"no user {device.user_arn}")
            if not add(connection, mfa_devices, values):
                raise EntityAlreadyExists(f"{device.user_arn} has an MFA device")

        await self._database.write(work)

    async def get(self, user_arn: str) -> MfaDevice | None:
        row = await self._database.read(lambda connection: _row(connection, user_arn))
        return None if row is None else self._device(row)

    async def delete(self, user_arn: str) -> None:
        statement = delete(mfa_devices).where(_COLUMNS.user_arn == user_arn)
        if not await self._database.write(lambda connection: connection.execute(statement).rowcount):
            raise NoSuchEntity(f"{user_arn} has no MFA device")

    async def try_code(self, user_arn: str, serial_number: str, code: str, now: datetime) -> bool:
        """Judge a code and keep what follows from it in one transaction, so that two attempts never share a code."""

        def work(connection: Connection) -> bool:
            row = _row(connection, user_arn)
            if row is None or row["serial_number"] != serial_number:
                raise NoSuchEntity(f"{user_arn} has no MFA device of this serial number")
            before = self._device(row)
            after, is_right = try_code(before, code, now)
            if after != before:
                change = update(mfa_devices).where(_COLUMNS.user_arn == user_arn).values(**_attempts(after))
                connection.execute(change)
            return is_right

        return await self._database.write(work)

    def _device(self, row: RowMapping) -> MfaDevice:
        values = dict(row)
        try:
            secret = self._sealer.unseal(values.pop("sealed_secret"), seal_context(row["user_arn"]))
        except SealBroken as error:
            raise Unavailable(str(error)) from error
        return MfaDevice(secret=secret, **values)


def delete_device_of(connection: Connection, arn: str) -> None:
    """Delete the device of the user ``arn``, if it has one."""
    connection.execute(delete(mfa_devices).where(_COLUMNS.user_arn == arn))


def seal_context(user_arn: str) -> str:
    """Return what a device's secret is bound to."""
    return f"mfa {user_arn}"


def _attempts(device: MfaDevice) -> dict[str, Any]:
    return {"last_step": device.last_step, "wrong_codes": device.wrong_codes, "wrong_at": device.wrong_at}


def _row(connection: Connection, user_arn: str) -> RowMapping | None:
    return connection.execute(select(mfa_devices).where(_COLUMNS.user_arn == user_arn)).mappings().first()
