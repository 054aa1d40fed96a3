"""What a machine's readings may be, before anything is trained on them."""

import pandera.pandas as pa

ROWS = pa.DataFrameSchema(
    {
        "temperature": pa.Column(float, pa.Check.in_range(250, 350)),
        "torque": pa.Column(float, pa.Check.in_range(0, 200)),
        "quality": pa.Column(str, pa.Check.isin(["L", "M", "H"]), nullable=True),
    },
    strict=True,
)
