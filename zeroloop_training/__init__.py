"""What a training script imports: packages made of models, and their way into MLflow. Never in a Lambda layer.

One concern a module: `packaging` (a package of what training states and of what the serving code measures), `baselines`
(held-out rows as monitoring counts them), `tabular` (packages for rows of a table), `graph` (TFLite models written
without TensorFlow), `keras` and `sklearn` (their models as packages), `flavor` (packages as MLflow models). Each
imports what it is named for, and no more.
"""
