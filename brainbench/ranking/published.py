"""Published scores: figures of a publication, shown beside measured ones and never ranked with them."""

from __future__ import annotations

import functools
from importlib import resources

import pandas as pd

from brainbench.core.score import Score

CITATION = "Kubilius et al., 2019, NeurIPS, https://github.com/dicarlolab/neurips2019"
NOTE = f"published, not measured here: {CITATION}"
WEIGHTS = "published"
MEMBERS = {
    "V4": "MajajHong2015.V4-pls",
    "IT": "MajajHong2015.IT-pls",
    "behavior": "Rajalingham2018-i2n",
    "OST": "Kar2019-ost",
}
"""Columns of the table that are members of the Brain-Score of the paper -> their benchmarks."""


@functools.cache
def published_table() -> pd.DataFrame:
    """Return the table of the publication, a row for each of 243 models; NaN where it has no figure.

    Columns: model, imagenet_top1, cifar100, V4, IT, IT_new_data, IT_new_images, behavior, behavior_new_data,
    OST, brain_score, depth, paper.
    """
    with (resources.files("brainbench.ranking") / "kubilius2019.csv").open() as stream:
        return pd.read_csv(stream, comment="#")


def published_facts() -> dict[str, dict[str, float]]:
    """Return the numbers of the table by model and column, ImageNet top-1 under the name "top1"."""
    numbers = published_table().rename(columns={"imagenet_top1": "top1"}).set_index("model")
    rows = numbers.select_dtypes("number").to_dict("index")
    return {
        str(model): {str(name): value for name, value in row.items() if pd.notna(value)}
        for model, row in rows.items()
    }


def published_scores() -> list[Score]:
    """Return the raw scores of the table, without ceiling and interval, of protocol "paper"."""
    return [
        Score(
            model=str(row.model),
            weights=WEIGHTS,
            benchmark=benchmark,
            version=1,
            protocol="paper",
            value=float(value),
            raw=float(value),
        )
        for row in published_table().itertuples()
        for column, benchmark in MEMBERS.items()
        if pd.notna(value := getattr(row, column))
    ]
