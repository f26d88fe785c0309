"""Which training rows stand in a prompt as examples, and in which order.

What a row says as an example is the affair of its task, whether it fits that of the prompt's ids.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.cluster import KMeans

from tunesmith.core.examples import Example
from tunesmith.core.prompting import ShotChoice, ShotOrder
from tunesmith.runtime.engine import Engine
from tunesmith.runtime.prompted import log_shares, unit_vectors
from tunesmith.tasks.asking import shot_class
from tunesmith.tasks.task import Task

KMEANS_STARTS = 4


def choose_rows(
    rows: Sequence[Example],
    count: int,
    *,
    choice: ShotChoice,
    engine: Engine,
    encoder: Engine | None = None,
    seed: int,
) -> list[Example]:
    """Return at most `count` of the rows, as `choice` says; of nearest ones all may be wanted.

    Random and balanced look at no text. Diverse takes the row nearest to each centre of a k-means
    over the texts' vectors; uncertain those to whose question `engine` gives the evenest answers
    (entropy, Diao et al. 2024, §2.2).
    """
    random = np.random.default_rng(seed)
    shuffled = [rows[at] for at in random.permutation(len(rows))]
    match choice:
        case "nearest":
            return shuffled
        case "balanced":
            return _in_turn(engine.task, shuffled)[:count]
        case "diverse":
            return _diverse(shuffled, count, engine=engine, encoder=encoder, seed=seed)
        case "uncertain":
            return _uncertain(shuffled, count, engine=engine)
    return shuffled[:count]


def order_rows(
    rows: Sequence[Example],
    *,
    order: ShotOrder,
    engine: Engine,
    encoder: Engine | None = None,
    like: Sequence[Example],
    seed: int,
) -> list[Example]:
    """Return the chosen rows in their order; `like` are rows such as will be asked about.

    Nearest last: those last whose vectors are nearest to the mean of the others' (what stands last
    weighs most, Zhao et al. 2021, §4).
    """
    if order in ("auto", "alternated"):
        return _in_turn(engine.task, rows)
    if order == "random":
        mixed = np.random.default_rng((seed, len(rows))).permutation(len(rows))
        return [rows[at] for at in mixed]
    vectors = unit_vectors(engine, [row.inputs.text for row in rows], encoder)
    middle = unit_vectors(engine, [row.inputs.text for row in like], encoder).mean(axis=0)
    near = np.round(vectors @ middle, 6)
    return [rows[at] for at in np.argsort(near, kind="stable")]


def _in_turn(task: Task, rows: Sequence[Example]) -> list[Example]:
    """Return the rows class by class in turn, each class in its own order.

    A row of several labels counts for the class that its turn shows of it.
    """
    classes: dict[str, list[Example]] = {}
    for number, row in enumerate(rows):
        classes.setdefault(shot_class(task, row, number=number), []).append(row)
    queues = [classes[name] for name in sorted(classes)]
    longest = max(map(len, queues), default=0)
    return [queue[at] for at in range(longest) for queue in queues if at < len(queue)]


def _diverse(
    rows: Sequence[Example], count: int, *, engine: Engine, encoder: Engine | None, seed: int
) -> list[Example]:
    if len(rows) <= count:
        return list(rows)
    vectors = unit_vectors(engine, [row.inputs.text for row in rows], encoder)
    clusters = KMeans(count, n_init=KMEANS_STARTS, random_state=seed).fit(vectors)
    distances = ((vectors[:, None] - clusters.cluster_centers_[None]) ** 2).sum(axis=2)
    chosen: list[int] = []
    for column in distances.T:
        near = [int(at) for at in np.argsort(column, kind="stable") if at not in chosen]
        chosen.append(near[0])
    return [rows[at] for at in chosen]


def _uncertain(rows: Sequence[Example], count: int, *, engine: Engine) -> list[Example]:
    shares = log_shares(engine, [row.inputs for row in rows])
    entropy = [float(np.mean([-(np.exp(own) * own).sum() for own in each])) for each in shares]
    order = np.argsort(-np.round(entropy, 6), kind="stable")
    return [rows[at] for at in order[:count]]
