"""The captions of a search over settings, once a language. Holds no numbers and no HTML."""

from __future__ import annotations

SEARCH_CAPTIONS: dict[str, tuple[str, str]] = {
    "search": ("Settings tried", "尝试过的设置"),
    "search.chosen": (
        "Chosen: trial {number} of {trials}, {measure} {score} on the validation rows; the "
        "recipe's own values reached {own}.",
        "选择：{trials} 次尝试中的第 {number} 次，验证集上的{measure}为 {score}；"
        "配方原有的值为 {own}。",
    ),
    "search.chosen.own": (
        "Chosen: the recipe's own values, {measure} {score} on the validation rows; none of the "
        "{trials} trials was better.",
        "选择：配方原有的值，验证集上的{measure}为 {score}；{trials} 次尝试中没有更好的。",
    ),
    "search.note": (
        "The validation rows chose between these settings, so the best score is partly luck: "
        "expect less on new data, the more so the more were tried and the fewer the rows.",
        "验证集在这些设置之间做了选择，最好的分数里有一部分是运气："
        "在新数据上应预期更低，尝试越多、行数越少，差距越大。",
    ),
    "search.repeat": ("The same without a search:", "不搜索而得到同样的设置："),
    "search.tried": ("Every trial", "全部尝试"),
    "search.trial": ("Trial", "尝试"),
    "search.score": ("Score", "分数"),
    "search.seconds": ("Time", "用时"),
    "search.state": ("Remark", "备注"),
    "search.own": ("recipe's own", "配方原有"),
    "search.won": ("chosen", "已选"),
    "state.complete": ("complete", "完成"),
    "state.pruned": ("broken off", "中途停止"),
    "state.failed": ("failed", "失败"),
    "search.importance": ("explains {share} of the differences", "解释了 {share} 的差异"),
    "search.scatter": (
        "Score of each trial by the value of {setting}.",
        "各次尝试的分数与 {setting} 的值。",
    ),
    "search.legend": (
        "Filled: complete; hollow: broken off, at its best score until then; ringed: chosen.",
        "实心：完成；空心：中途停止，按当时的最好分数；带圈：已选。",
    ),
    "search.ascribed": (
        "What a setting explains is the share of the variance that a random forest over the trials "
        "ascribes to it alone (fANOVA).",
        "解释的部分是随机森林在各次尝试上归于该设置本身的方差占比（fANOVA）。",
    ),
}
