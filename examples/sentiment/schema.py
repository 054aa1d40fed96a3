"""What a row of rated sentences may hold, before anything is trained on it."""

import pandera.pandas as pa

ROWS = pa.DataFrameSchema(
    {
        "id": pa.Column(str, pa.Check.str_matches(r"^[0-9A-Za-z_-]{1,40}$"), unique=True),
        "mean_sentiment": pa.Column(float, pa.Check.in_range(-4, 4)),
        "text": pa.Column(
            str, [pa.Check.str_length(1, 2000), pa.Check(lambda text: text.str.strip() != "", error="blank")]
        ),
    },
    strict=True,
)
