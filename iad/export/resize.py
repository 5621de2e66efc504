"""Pillow's bilinear resize with antialiasing as a graph: the same bytes, whatever the size of the picture.

Pillow (`src/libImaging/Resample.c`) weighs the pixels below a triangle as wide as the reduction, rounds each weight to
a whole number of 1 / 2^22, adds up in integers, and rounds to 8 bits; along rows, then along columns. From Pillow 13 on
columns come first where the height loses more than twice as many pixels as the width (python-pillow/Pillow#9549), which
rounds otherwise.

Runtimes differ in what they do with float64 and with long integers, so the graph uses float32 and int32 alone, and
stays exact in them:

- A weight is n / N with whole n and N. Long division gives its 22 binary digits in three parts of 8, 7 and 7.
- Sums of pixels times such a part stay below 2^24, where float32 counts exactly in any order of summation.

PyTorch's exporter takes minutes over sizes that are unknown, so the graph is written in ONNX's own text form.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from PIL import Image

OPSET, IR = 20, 10
EXACT = 2**23  # what N must stay below, so that its product with a part fits int32
MOST_TAPS = 512  # pixels below one triangle, so that sums stay below 2^24

DIVIDE = """
<domain: "iad", opset_import: ["" : {opset}]>
Divide (number, by) => (quotient, rest) {{
    number_f = Cast <to = 1> (number)
    by_f = Cast <to = 1> (by)
    about_f = Div (number_f, by_f)
    down = Floor (about_f)
    about = Cast <to = 6> (down)
    taken = Mul (about, by)
    left = Sub (number, taken)
    zero = Constant <value = int32 {{0}}> ()
    over = GreaterOrEqual (left, by)
    under = Less (left, zero)
    over_i = Cast <to = 6> (over)
    under_i = Cast <to = 6> (under)
    wrong = Sub (over_i, under_i)
    quotient = Add (about, wrong)
    back = Mul (wrong, by)
    rest = Sub (left, back)
}}
"""
"""Whole quotient and rest, int32; the quotient is small, so that float32 misses it by one at most."""

WEIGHTS = """
<domain: "iad", opset_import: ["" : {opset}, "iad" : 1]>
Weights (size, target) => (weights) {{
    zero = Constant <value = int32 {{0}}> ()
    one = Constant <value = int32 {{1}}> ()
    two = Constant <value = int32 {{2}}> ()
    eighth = Constant <value = int32 {{256}}> ()
    seventh = Constant <value = int32 {{128}}> ()
    first = Constant <value = int64[1] {{0}}> ()
    second = Constant <value = int64[1] {{1}}> ()
    from_s = Range (zero, size, one)
    from_t = Range (zero, target, one)
    twice_s = Mul (from_s, two)
    twice_t = Mul (from_t, two)
    halves_s = Add (twice_s, one)
    halves_t = Add (twice_t, one)
    place_s = Mul (halves_s, target)
    place_t = Mul (halves_t, size)
    row = Unsqueeze (place_t, first)
    column = Unsqueeze (place_s, second)
    apart = Sub (column, row)
    distance = Abs (apart)
    wider = Max (size, target)
    reach = Mul (wider, two)
    triangle = Sub (reach, distance)
    share = Max (triangle, zero)
    whole = ReduceSum <keepdims = 1> (share, first)
    share_1 = Mul (share, eighth)
    high, rest_1 = iad.Divide (share_1, whole)
    share_2 = Mul (rest_1, seventh)
    middle, rest_2 = iad.Divide (share_2, whole)
    share_3 = Mul (rest_2, seventh)
    low, rest_3 = iad.Divide (share_3, whole)
    twice_rest = Mul (rest_3, two)
    up = GreaterOrEqual (twice_rest, whole)
    carry = Cast <to = 6> (up)
    lowest = Add (low, carry)
    parts = Concat <axis = 1> (high, middle, lowest)
    weights = Cast <to = 1> (parts)
}}
"""
"""Binary digits of Pillow's weights from `size` pixels to `target`, float32 `(size, 3 target)`, the highest first."""

ROWS = """
<domain: "iad", opset_import: ["" : {opset}, "iad" : 1]>
Rows (planes, target) => (resized) {{
    height_1 = Shape <start = 1, end = 2> (planes)
    size_1 = Shape <start = 2, end = 3> (planes)
    none = Constant <value = int64[0] {{}}> ()
    size_0 = Reshape (size_1, none)
    size = Cast <to = 6> (size_0)
    weights = iad.Weights (size, target)
    products = MatMul (planes, weights)
    high, middle, low = Split <axis = 2, num_outputs = 3> (products)
    part = Constant <value = float {{128.0}}> ()
    last = Constant <value = float {{256.0}}> ()
    low_part = Div (low, part)
    low_carry = Floor (low_part)
    middle_sum = Add (middle, low_carry)
    middle_part = Div (middle_sum, part)
    middle_carry = Floor (middle_part)
    high_sum = Add (high, middle_carry)
    high_half = Add (high_sum, part)
    high_part = Div (high_half, last)
    resized = Floor (high_part)
}}
"""
"""Each row of planes float32 `(3, H, W)` to `target` pixels: `(3, H, target)`."""

BOTH = """
<domain: "iad", opset_import: ["" : {opset}, "iad" : 1]>
RowsFirst (planes, height, width) => (resized) {{
    narrow = iad.Rows (planes, width)
    turned = Transpose <perm = [0, 2, 1]> (narrow)
    small = iad.Rows (turned, height)
    resized = Transpose <perm = [0, 2, 1]> (small)
}}
<domain: "iad", opset_import: ["" : {opset}, "iad" : 1]>
ColumnsFirst (planes, height, width) => (resized) {{
    turned = Transpose <perm = [0, 2, 1]> (planes)
    low = iad.Rows (turned, height)
    upright = Transpose <perm = [0, 2, 1]> (low)
    resized = iad.Rows (upright, width)
}}
"""

MODEL = """
<ir_version: {ir}, opset_import: ["" : {opset}, "iad" : 1]>
prepare (uint8[height, width, 3] pixels) => (float[1, 3, {height}, {width}] planes) {{
    upright = Transpose <perm = [2, 0, 1]> (pixels)
    given = Cast <to = 1> (upright)
    none = Constant <value = int64[0] {{}}> ()
    height_1 = Shape <start = 0, end = 1> (pixels)
    height_0 = Reshape (height_1, none)
    height_g = Cast <to = 6> (height_0)
    width_1 = Shape <start = 1, end = 2> (pixels)
    width_0 = Reshape (width_1, none)
    width_g = Cast <to = 6> (width_0)
    height_w = Constant <value = int32 {{{height}}}> ()
    width_w = Constant <value = int32 {{{width}}}> ()
    two = Constant <value = int32 {{2}}> ()
    same_height = Equal (height_g, height_w)
    same_width = Equal (width_g, width_w)
    same = And (same_height, same_width)
    lower = Sub (height_g, height_w)
    narrower = Sub (width_g, width_w)
    narrower_2 = Mul (narrower, two)
    much_lower = Greater (lower, narrower_2)
    is_lower = Greater (height_g, height_w)
    pillow = Constant <value = bool {{{columns_first}}}> ()
    tall_1 = And (much_lower, is_lower)
    tall = And (tall_1, pillow)
    resized = If (same) <
        then_branch = kept () => (float[3, {height}, {width}] kept_planes) {{
            kept_planes = Identity (given)
        }},
        else_branch = changed () => (float[3, {height}, {width}] changed_planes) {{
            changed_planes = If (tall) <
                then_branch = columns () => (float[3, {height}, {width}] tall_planes) {{
                    tall_planes = iad.ColumnsFirst (given, height_w, width_w)
                }},
                else_branch = rows () => (float[3, {height}, {width}] wide_planes) {{
                    wide_planes = iad.RowsFirst (given, height_w, width_w)
                }}
            >
        }}
    >
    shape = Constant <value = int64[4] {{1, 3, {height}, {width}}}> ()
    planes = Reshape (resized, shape)
}}
"""


def resize_model(height: int, width: int, *, columns_first: bool | None = None) -> Any:
    """A graph from `pixels` uint8 `(H, W, 3)` of any size to `planes` float32 `(1, 3, height, width)`, from 0 to 255.

    A picture of the size that is wanted stays as it is.

    Args:
        height: of the result.
        width: of the result.
        columns_first: whether tall pictures lose rows before columns; None: as the Pillow that is installed has it.

    Returns:
        An `onnx.ModelProto`.
    """
    import onnx.inliner
    import onnx.parser

    first = pillow_takes_columns_first() if columns_first is None else columns_first
    known = {"opset": OPSET, "ir": IR, "height": height, "width": width, "columns_first": int(first)}
    text = "".join(part.format(**known) for part in (MODEL, DIVIDE, WEIGHTS, ROWS, BOTH))
    return onnx.inliner.inline_local_functions(onnx.parser.parse_model(text))


def largest_side(target: int) -> int:
    """Longest side in pixels that is reduced to `target` pixels exactly.

    >>> largest_side(224)
    30650
    """
    return min(math.isqrt(EXACT // 2 * target) - 1, (MOST_TAPS // 2 - 1) * target)


def pillow_takes_columns_first() -> bool:
    """Whether the Pillow that is installed resizes the columns of tall pictures first."""
    tall = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 16), dtype=np.uint8))
    alone, bilinear = (16, 8), Image.Resampling.BILINEAR  # one pass each, and then the other
    return tall.resize((12, 8), bilinear).tobytes() == tall.resize(alone, bilinear).resize((12, 8), bilinear).tobytes()
