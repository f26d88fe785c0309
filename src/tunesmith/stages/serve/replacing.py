"""A model takes the place of another while the service answers: never both in one answer.

The new version is loaded by workers of its own beside the old ones, held to its canary rows by the
path that requests take, and asked from then on; the old one answers what it was asked, and ends.
Where the new one is not fit, the old one goes on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from tunesmith.core.errors import TunesmithError
from tunesmith.stages.serve.deployments import Deployment, Role, Served, unlike
from tunesmith.stages.serve.fleet import Fleet, Replay, Settings, UnfitError
from tunesmith.stages.serve.logs import EventLog
from tunesmith.stages.serve.metrics import Metrics

Found = TypeVar("Found")
Place = tuple[Role, str]
"""Whose bundle it is: of which role, under which name."""


class Replacer:
    """Looks whether the words of a service mean other bundles than those that answer.

    `problems` has why the last replacement of a place was refused. One replacement runs at a time.
    """

    def __init__(
        self, fleet: Fleet, settings: Settings, *, metrics: Metrics, log: EventLog
    ) -> None:
        """Look at nothing yet."""
        self.problems: dict[Place, str] = {}
        self._fleet = fleet
        self._settings = settings
        self._metrics = metrics
        self._log = log
        self._one = asyncio.Lock()
        self._refused: dict[Place, str] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="bundles")

    def close(self) -> None:
        """End the thread that reads bundles."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def open_beside(self, replay: Replay) -> None:
        """Open candidates and shadows; one that is not fit is left out, and its problem kept."""
        for role, models in self._beside():
            for served in models:
                made = self._fleet.make(role, [served])
                try:
                    await self._fleet.open(made, replay)
                except UnfitError as error:
                    self._refuse((role, served.name), str(error), served.version)
                else:
                    self._fleet.install(made)

    async def refresh(self, names: Iterable[str], replay: Replay, *, is_broken: bool) -> set[Place]:
        """Read what the words of these models mean now, and return the places that were replaced.

        `is_broken` tells that what is live answers nobody: it is replaced by the same bundle too.
        """
        wanted = set(names)
        async with self._one:
            replaced: set[Place] = set()
            live = [own for name, own in self._fleet.live.models.items() if name in wanted]
            fit = [own for own in await self._read("live", live) if own is not None]
            fresh = fit if is_broken else self._changed("live", fit)
            if fresh and not await self._replace("live", fresh, replay, replaced) and fresh[1:]:
                for served in fresh:
                    await self._replace("live", [served], replay, replaced)
            for role, models in self._beside():
                own = [self._standing(role, served) for served in models if served.name in wanted]
                for served in self._changed(role, await self._read(role, own)):
                    await self._replace(role, [served], replay, replaced)
            return replaced

    async def follow(self, refresh: Callable[[set[str]], Any]) -> None:
        """Ask every few seconds what the aliases mean, and `refresh` the models whose alias moved.

        A version that was refused is not tried again before the alias means another.
        """
        if not self._settings.follow_seconds or not any(self._aliased()):
            return
        while True:
            await asyncio.sleep(self._settings.follow_seconds)
            moved: set[str] = set()
            for role, served in list(self._aliased()):
                place = (role, served.name)
                try:
                    version = await self._in_thread(self._settings.peek, served.word)
                except TunesmithError as error:
                    if self.problems.get(place) != _told(error):
                        self._refuse(place, _told(error))
                    continue
                if version == served.version:
                    self._accept(place)
                elif version != self._refused.get(place):
                    moved.add(served.name)
            if moved:
                await refresh(moved)

    def _beside(self) -> tuple[tuple[Role, tuple[Served, ...]], ...]:
        return ("candidate", self._settings.candidates), ("shadow", self._settings.shadows)

    def _standing(self, role: Role, served: Served) -> Served:
        """Return the model of a place as it answers now; as it was given where it does not."""
        standing = self._standing_at(role, served.name)
        return served if standing is None else standing.models[served.name]

    def _standing_at(self, role: Role, name: str) -> Deployment | None:
        return self._fleet.live if role == "live" else self._fleet.beside.get(name)

    def _aliased(self) -> Iterable[tuple[Role, Served]]:
        every: list[tuple[Role, Served]] = [
            ("live", own) for own in self._fleet.live.models.values()
        ]
        for role, models in self._beside():
            every += [(role, self._standing(role, served)) for served in models]
        return ((role, served) for role, served in every if served.word.startswith("@"))

    async def _read(self, role: Role, models: Iterable[Served]) -> list[Served]:
        """Return the models with the bundles that their words mean now, as far as those are fit."""
        found = []
        for served in models:
            place = (role, served.name)
            try:
                bundle = await self._in_thread(self._settings.find, served.word)
            except TunesmithError as error:
                self._refuse(place, _told(error))
                continue
            live = self._fleet.live.models[served.name].bundle.task
            if words := unlike(live, bundle.task):
                self._refuse(place, words, bundle.fingerprint)
                continue
            found.append(served.holding(bundle))
        return found

    def _changed(self, role: Role, models: Iterable[Served]) -> list[Served]:
        """Return the models that are another version than what answers, or that nobody answers."""
        changed = []
        for served in models:
            standing = self._standing_at(role, served.name)
            version = None if standing is None else standing.models[served.name].version
            is_broken = standing is not None and role != "live" and not standing.can_answer
            if version != served.version or is_broken:
                changed.append(served)
            else:
                self._accept((role, served.name))
        return changed

    async def _replace(
        self, role: Role, fresh: list[Served], replay: Replay, replaced: set[Place]
    ) -> bool:
        """Put models in the place of others, add their places to `replaced`, tell whether so."""
        started = time.monotonic()
        await self._fleet.settled()
        new = {served.name: served for served in fresh}
        before = self._fleet.live.models if role == "live" else new
        made = self._fleet.make(role, [new.get(name, own) for name, own in before.items()])
        places: list[Place] = [(role, name) for name in new]
        self._log.write("replacing", role=role, versions={n: s.version for n, s in new.items()})
        try:
            await self._fleet.open(made, replay)
        except UnfitError as error:
            for place in places:
                self._refuse(place, str(error), new[place[1]].version)
            return False
        self._fleet.install(made)
        seconds = time.monotonic() - started
        self._metrics.replacement_seconds.observe(seconds)
        for place in places:
            self._accept(place)
            self._metrics.replacements.labels(place[1], role, "done").inc()
            self._log.write(
                "replaced",
                role=role,
                model=place[1],
                version=new[place[1]].version,
                before=before[place[1]].version if role == "live" else None,
                seconds=round(seconds, 3),
            )
        replaced.update(places)
        return True

    def _refuse(self, place: Place, words: str, version: str = "") -> None:
        """Keep and tell why a place was not given to a version."""
        role, name = place
        self._metrics.replacements.labels(name, role, "refused").inc()
        self._log.write("replacement_refused", role=role, model=name, reason=words)
        self.problems[place] = words
        self._refused[place] = version
        self._metrics.refused.labels(name, role).set(1)

    def _accept(self, place: Place) -> None:
        self.problems.pop(place, None)
        self._refused.pop(place, None)
        self._metrics.refused.labels(place[1], place[0]).set(0)

    async def _in_thread(self, find: Callable[[str], Found], word: str) -> Found:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, find, word)


def _told(error: TunesmithError) -> str:
    return "; ".join(map(str, error.problems))
