"""Changing the master key: everything sealed anew, on a home that no server holds."""

import asyncio

from opentrail.adapters.metadata_store.database import open_database
from opentrail.adapters.metadata_store.resealing import reseal
from opentrail.adapters.signer import local as signing_keys
from opentrail.adapters.targets import message_signer
from opentrail.errors import OperatorError
from opentrail.home import Home, write_private
from opentrail.ports import Unavailable
from opentrail.settings import Settings
from opentrail.wiring.installation import open_installation


async def rotate_master_key(home: Home, settings: Settings) -> int:
    """Replace the master key and seal every secret under the new one; return how many there are.

    On record first. Broken off anywhere, the home works as before, with both keys, and the next call goes on. Raises
    HomeInUse, OperatorError.
    """
    if not home.master_key_file.exists():
        raise OperatorError(f"there is no home at {home.path}: `opentrail --home {home.path} serve` makes one")
    home.prepare()
    with home.lock():
        home.begin_master_key()
        async with open_installation(home, settings) as installation:
            await installation.record_change("kms.amazonaws.com", "RotateMasterKey", {})
        sealer = home.sealer()
        try:
            database = await open_database(settings.metadata_url or f"sqlite:///{home.metadata_file}")
            try:
                count = await reseal(database, sealer)
            finally:
                await database.close()
            count += await asyncio.to_thread(signing_keys.reseal, home.signing_keys, sealer)
            count += await asyncio.to_thread(message_signer.reseal, home.topic_key_file, sealer, write_private)
        except Unavailable as error:
            raise OperatorError(f"not everything is sealed anew: {error}; run the command again") from error
        home.finish_master_key()
    return count
