"""Drift: false alarms and power on real sentences, and what a comparison costs: `python -m bench.monitoring`.

A model of 1,604 movie sentences, whose words are all that it saw, and 3,000 others as the baseline; windows are of the
rest, alone or mixed with sentences of another domain. Beside it the Kolmogorov-Smirnov test on the same rows' raw
numbers (length, unseen share, score), with Bonferroni's correction.
"""

import math
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache, reduce
from time import process_time
from typing import NamedTuple

import numpy as np
from scipy.stats import ks_2samp

from examples.sentiment import dataset
from examples.sentiment.dataset import DATA, Sentence
from zeroloop.inference.text import HashedNgrams
from zeroloop.monitoring import drifting
from zeroloop.monitoring.aggregate import EMPTY, Aggregate, merge
from zeroloop.monitoring.baseline import Baseline
from zeroloop.monitoring.counting import Answered, Line, count
from zeroloop.monitoring.frame import Frame
from zeroloop.stats import drift
from zeroloop.stats.drift import Dispersion, Evidence
from zeroloop.stats.quantiles import bucket, quantile
from zeroloop.stats.undetermined import Undetermined
from zeroloop_training.baselines import of_answers, scaled

SEED, TRAINED, HELD = 20261128, 1604, 3000
BUCKETS = 65_536
LEARNED = 40
"""Healthy windows from which phi is learned, where it is."""
WORLDS = 20
"""Times that sentences are dealt anew: one baseline would be off in its own way for all windows."""

Spreads = dict[str, Dispersion]


class Row(NamedTuple):
    """A sentence as the log has it, what it came from, and its raw numbers: words, unseen share, score."""

    answered: Answered
    cluster: str
    raw: tuple[float, float, float]


class Window(NamedTuple):
    """A window as ingest counts it, beside which baseline it stands, and the p-value of its raw numbers."""

    of: "World"
    counted: Aggregate
    raw: float


class World(NamedTuple):
    """A baseline, how it was counted, and what windows are drawn from."""

    baseline: Baseline
    frame: Frame
    held: Sequence[Row]
    pools: dict[str, Sequence[Row]]


def main(runs: int = 400) -> None:
    """Print the tables."""
    rng = np.random.default_rng(SEED)
    print(f"drift, {runs} windows a row, rejected at: .05 (standard error)  .01  .001   alarms   raw KS at .05")
    print("i.i.d. movie sentences, alone or with another domain mixed in; no phi")
    worlds = [world(rng) for _ in range(WORLDS)]
    for n in (200, 1000, 4000):
        tell(
            f"movie n={n}", [seen(of, draw(rng, of.pools["movie"], n)) for of in worlds for _ in range(runs // WORLDS)]
        )
    for other in ("nyt", "amazon"):
        for n, share in ((1000, 0.05), (1000, 0.1), (200, 0.2), (1000, 0.2)):
            windows = [seen(of, mixed(rng, of, other, n, share)) for of in worlds for _ in range(runs // WORLDS)]
            tell(f"{share:.0%} {other} n={n}", windows)
    for domain in ("amazon", "nyt"):
        own = [domain_world(rng, domain) for _ in range(WORLDS)]
        by_review(rng, own, domain, worlds[0].pools["movie"], runs // WORLDS)
    costs(worlds[0])


def by_review(rng: np.random.Generator, worlds: Sequence[World], domain: str, other: Sequence[Row], each: int) -> None:
    """Print what whole reviews do to baselines of their own domain, and what phi costs; `each` windows of a world."""
    print(f"{domain}, its own baseline, whole reviews; phi of blocks of the baseline, or of {LEARNED} windows")
    blocks = [drifting.dispersions(of.baseline) for of in worlds]
    for n in (200, 1000):
        learned = [learn(of, [clustered(rng, of.pools[domain], n) for _ in range(LEARNED)]) for of in worlds]
        healthy = [seen(of, clustered(rng, of.pools[domain], n)) for of in worlds for _ in range(each)]
        for name, spreads in (("no phi", [{}]), ("blocks' phi", blocks), ("phi", learned)):
            tell(f"{domain} n={n}, {name}", healthy, spreads)
        for share in (0.1, 0.2, 0.5):
            kept = round(n * (1 - share))
            part = [
                seen(of, clustered(rng, of.pools[domain], kept) + draw(rng, other, n - kept))
                for of in worlds
                for _ in range(each)
            ]
            for name, spreads in (("no phi", [{}]), ("phi", learned)):
                tell(f"{share:.0%} movie n={n}, {name}", part, spreads)


def tell(name: str, windows: Sequence[Window], spreads: Sequence[Spreads] = ({},)) -> None:
    """Print how often windows are rejected, which come in as many equal parts as there are `spreads`.

    The error is that of a mean over worlds, each of which has as many windows.
    """
    each = len(windows) // len(spreads)
    verdicts = [judged(window, spreads[i // each]) for i, window in enumerate(windows)]
    p_values = np.array([one.p_value if isinstance(one.p_value, float) else 1.0 for one in verdicts])
    first, *others = (f"{(p_values < alpha).mean():.3f}" for alpha in (0.05, 0.01, 0.001))
    error = (p_values < 0.05).reshape(WORLDS, -1).mean(axis=1).std(ddof=1) / math.sqrt(WORLDS)
    alarms = np.mean([one.status == "drifted" for one in verdicts])
    plain = np.mean([window.raw < 0.05 for window in windows])
    print(f"  {name:<28}{first} ({error:.3f})  {'  '.join(others)}   {alarms:.3f}   {plain:.3f}", flush=True)


def judged(window: Window, spread: Spreads) -> drifting.Verdict:
    """The verdict of a window."""
    return drifting.judge(drifting.compare(window.counted, window.of.baseline, spread), window.counted.n)


def seen(of: World, rows: Sequence[Row]) -> Window:
    """Rows as a window."""
    return Window(of, counts(rows, of.frame), raw_ks(of.held, rows))


def counts(rows: Sequence[Row], frame: Frame) -> Aggregate:
    """Rows as ingest counts them."""
    return count([Line(status=200, latency_ms=1.0, predictions=[row.answered for row in rows])], frame)


def learn(of: World, windows: Sequence[Sequence[Row]]) -> dict[str, Dispersion]:
    """The phi of each test in healthy windows."""
    found = [drifting.compare(counts(window, of.frame), of.baseline, {}) for window in windows]
    ratios = {name: [one[name] for one in found] for name in found[0]}
    learned = {
        name: drift.dispersion([one.ratio for one in some if isinstance(one, Evidence)])
        for name, some in ratios.items()
    }
    return {name: one for name, one in learned.items() if isinstance(one, Dispersion)}


def raw_ks(held: Sequence[Row], window: Sequence[Row]) -> float:
    """The least p-value of three tests, times three."""
    before, now = (np.array([row.raw for row in rows]) for rows in (held, window))
    found = [ks_2samp(now[:, i], before[:, i], method="asymp").pvalue for i in range(3)]
    return float(min(1.0, 3 * min(found)))


def draw(rng: np.random.Generator, pool: Sequence[Row], n: int) -> list[Row]:
    """`n` rows, without repetition."""
    return [pool[i] for i in rng.choice(len(pool), n, replace=False)]


def mixed(rng: np.random.Generator, of: World, other: str, n: int, share: float) -> list[Row]:
    """`n` movie sentences, a share of which is of another domain."""
    return draw(rng, of.pools["movie"], n - round(n * share)) + draw(rng, of.pools[other], round(n * share))


def clustered(rng: np.random.Generator, pool: Sequence[Row], n: int) -> list[Row]:
    """About `n` rows, by whole reviews."""
    reviews: dict[str, list[Row]] = {}
    for row in pool:
        reviews.setdefault(row.cluster, []).append(row)
    names = list(reviews)
    window: list[Row] = []
    for i in rng.permutation(len(names)):
        if len(window) >= n:
            break
        window += reviews[names[i]]
    return window


def world(rng: np.random.Generator) -> World:
    """Movie sentences, and the other domains as the model of movies sees them."""
    sentences = dataset.read()
    order = [sentences[i] for i in rng.permutation(len(sentences))]
    sees = seeing(order[:TRAINED])
    rows = sees(order[TRAINED:])
    others = {domain: sees(dataset.read(DATA / file)) for domain, file in FILES.items()}
    return made(rows[:HELD], {"movie": rows[HELD:], **others})


FILES = {"amazon": "amazon_reviews.tsv.gz", "nyt": "nyt_editorials.tsv.gz"}


def domain_world(rng: np.random.Generator, domain: str) -> World:
    """A domain with a model of a fifth of its reviews, a baseline of two fifths, and windows of the rest."""
    sentences = dataset.read(DATA / FILES[domain])
    reviews = list(dict.fromkeys(review(one) for one in sentences))
    place = {name: i / len(reviews) for name, i in zip(reviews, rng.permutation(len(reviews)).tolist(), strict=True)}
    fifth = [[one for one in sentences if a <= place[review(one)] < b] for a, b in ((0, 0.2), (0.2, 0.6), (0.6, 1))]
    sees = seeing(fifth[0])
    return made(sees(fifth[1]), {domain: sees(fifth[2])})


def review(sentence: Sentence) -> str:
    """What a sentence is part of."""
    return sentence.id.partition("_")[0]


def made(held: Sequence[Row], pools: dict[str, Sequence[Row]]) -> World:
    """A baseline of `held`."""
    answered = [row.answered for row in held]
    frame = scaled(answered, PLAIN[0])
    return World(of_answers(answered, ["positive"] * len(held), frame), frame, held, pools)


ENCODER = HashedNgrams({"buckets": BUCKETS, "length": 64})
PLAIN: list[Frame] = []


def seeing(trained: Sequence[Sentence]) -> Callable[[Sequence[Sentence]], list[Row]]:
    """Naive Bayes on words of `trained`, and what it makes of sentences."""
    right = np.ones((2, BUCKETS))
    for one, words in zip(trained, map(ids, trained), strict=True):
        right[int(one.label == "positive"), words] += 1
    weights = np.log(right[1] / right[1].sum()) - np.log(right[0] / right[0].sum())
    seen = bytes((right.sum(axis=0) > 2).astype(np.uint8))
    PLAIN[:] = [Frame(labels=frozenset({"negative", "positive"}), seen=seen)]

    def answer(words: list[int], cluster: str) -> Row:
        score = 1 / (1 + math.exp(-float(weights[words].sum()) / max(1, len(words)) ** 0.5))
        sure, label = max((score, "positive"), (1 - score, "negative"))
        unseen = 1 - sum(seen[i] for i in words) / max(1, len(words))
        return Row(Answered(label, sure, words), cluster, (len(words), unseen, sure))

    return lambda sentences: [answer(ids(one), review(one)) for one in sentences]


@cache
def ids(sentence: Sentence) -> list[int]:
    """A sentence's words, which are the same in all worlds."""
    [words] = ENCODER.features([sentence.text], ENCODER.encode([sentence.text], [""]))
    return words


def costs(of: World) -> None:
    """Print what a comparison takes, and how far quantiles are off after many merges."""
    hundred = counts(of.pools["movie"][:1000], of.frame)
    print("CPU of one comparison and verdict")
    for times in (10, 1000, 1_000_000):
        window = multiplied(hundred, times)
        start = process_time()
        for _ in range(100):
            drifting.judge(drifting.compare(window, of.baseline, {}), window.n)
        print(f"  {window.n:<14,}{(process_time() - start) * 10:.2f} ms")
    rng = np.random.default_rng(SEED)
    values = rng.pareto(1.5, 200_000) + 0.05
    parts = [Aggregate(n=0, latency=Counter(map(bucket, part.tolist()))) for part in np.array_split(values, 10_000)]
    merged = reduce(merge, parts, EMPTY)
    told = {q: quantile(merged.latency, q) for q in QUANTILES}
    off = [
        abs(one / np.quantile(values, q, method="inverted_cdf") - 1)
        for q, one in told.items()
        if not isinstance(one, Undetermined)
    ]
    assert len(off) == len(QUANTILES)  # noqa: S101 - there is something to be off
    print(f"p50 to p99 after 10,000 merges of a Pareto's parts: at most {max(off):.3%} off")


QUANTILES = [q / 100 for q in range(50, 100)]


def multiplied(of: Aggregate, times: int) -> Aggregate:
    """`of`, so many times."""
    total, double = EMPTY, of
    while times:
        if times & 1:
            total = merge(total, double)
        double, times = merge(double, double), times >> 1
    return total


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 400)
