"""Fills what releases before did not write. A row that such a release writes during an upgrade is found, too."""

from chassis.database import Database
from contracts.recipients import CHANNELS, Channel
from template_service.errors import InvalidTemplate
from template_service.repositories import versions
from template_service.repositories.records import IncompleteVersion
from template_service.services.compiling import channels_of, compiled, required_by_channel
from template_service.services.drafts import Draft

GROUP = 100


async def complete_versions(database: Database) -> int:
    """Works out what each channel needs, for at most `GROUP` versions. Returns how many there were."""
    async with database.begin() as connection:
        found = await versions.incomplete(connection, limit=GROUP)
    for version in found:
        required = await _required(version)
        async with database.begin() as connection:
            await versions.complete(connection, version, required)
    return len(found)


async def _required(version: IncompleteVersion) -> dict[Channel, tuple[str, ...]]:
    try:
        template = await compiled(Draft(version.source, version.channels))
    except InvalidTemplate:  # by a rule that is newer than the version: what it needed then still counts
        return dict.fromkeys(CHANNELS, version.required)
    return required_by_channel(template, channels_of(template, version.channels))
