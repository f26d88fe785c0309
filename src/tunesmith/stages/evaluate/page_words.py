"""Every caption of the page, once a language. Holds no numbers and no HTML."""

from __future__ import annotations

from tunesmith.core.errors import Problem, SpecError
from tunesmith.stages.evaluate.page_words_search import SEARCH_CAPTIONS

LANGUAGES = ("en", "zh-CN")

# key: (en, zh-CN). A caption that counts has a `.one` form beside it where English needs one.
CAPTIONS: dict[str, tuple[str, str]] = {
    "untitled": ("Untitled model", "未命名模型"),
    "page.kind": ("Tunesmith report", "Tunesmith 评估报告"),
    "page.contents": ("On this page", "本页目录"),
    "task.classification": ("Classification", "文本分类"),
    "task.multilabel": ("Multi-label classification", "多标签分类"),
    "task.ner": ("Named entity recognition", "命名实体识别"),
    "task.matching": ("Matching of two texts", "文本匹配"),
    "task.relation": ("Relation classification", "关系分类"),
    "task.qa": ("Question answering", "抽取式问答"),
    "task.choice": ("Multiple choice", "多项选择"),
    "task.recommendation": ("Recommendation", "推荐"),
    "task.summarization": ("Summarization", "文本摘要"),
    "task.translation": ("Translation", "翻译"),
    "task.generation": ("Replies", "对话回复"),
    "labels": ("{count} labels", "{count} 个标签"),
    "labels.one": ("{count} label", "{count} 个标签"),
    "rows": ("{count} rows", "{count} 行"),
    "rows.one": ("{count} row", "{count} 行"),
    "tuned": ("{model}, method {method}", "{model}，方法 {method}"),
    "measured_on": ("measured on {rows} of {data}", "在 {data} 的{rows}上测得"),
    "measured_on.split": (
        "measured on {rows} of {data} ({split})",
        "在 {data}（{split}）的 {rows}上测得",
    ),
    "split.test": ("test split", "测试集"),
    "split.valid": ("validation split", "验证集"),
    "split.out of fold": ("rows of train and valid, out of fold", "训练集与验证集，折外"),
    "split.given file": ("given file", "指定文件"),
    "result": ("Result", "结果"),
    "interval": ("95% interval {low} to {high}", "95% 区间 {low} 至 {high}"),
    "figure.count": ("n = {count}", "n = {count}"),
    "interval.none": ("no interval computed", "未计算区间"),
    "interval.drawn": (
        "A scale from 0 to 1 with the value and its 95% interval.",
        "从 0 到 1 的刻度，标出数值及其 95% 区间。",
    ),
    "lower_is_better": ("lower is better", "越低越好"),
    "measures.other": ("Other measures", "其他指标"),
    "column.measure": ("Measure", "指标"),
    "column.value": ("Value", "数值"),
    "column.interval": ("95% interval", "95% 区间"),
    "column.count": ("n", "n"),
    "measure.accuracy": ("Accuracy", "准确率"),
    "measure.balanced_accuracy": ("Balanced accuracy", "平衡准确率"),
    "measure.subset_accuracy": ("Exact-match accuracy", "完全匹配准确率"),
    "measure.token_accuracy": ("Token accuracy", "词级准确率"),
    "measure.f1": ("F1", "F1"),
    "measure.macro_f1": ("Macro F1", "宏平均 F1"),
    "measure.micro_f1": ("Micro F1", "微平均 F1"),
    "measure.weighted_f1": ("Weighted F1", "加权平均 F1"),
    "measure.entity_f1": ("Entity F1", "实体 F1"),
    "measure.entity_precision": ("Entity precision", "实体精确率"),
    "measure.entity_recall": ("Entity recall", "实体召回率"),
    "measure.precision": ("Precision", "精确率"),
    "measure.recall": ("Recall", "召回率"),
    "measure.ece": ("Expected calibration error", "期望校准误差"),
    "measure.brier": ("Brier score", "Brier 分数"),
    "measure.log_loss": ("Log loss", "对数损失"),
    "measure.hamming_loss": ("Hamming loss", "汉明损失"),
    "measure.spearman": ("Spearman's ρ", "斯皮尔曼相关系数"),
    "measure.pearson": ("Pearson's r", "皮尔逊相关系数"),
    "measure.mean_absolute_error": ("Mean absolute error", "平均绝对误差"),
    "measure.mrr": ("Search: mean reciprocal rank", "检索：平均倒数排名"),
    "measure.recall_at_1": ("Search: recall at 1", "检索：前 1 召回率"),
    "measure.recall_at_10": ("Search: recall at 10", "检索：前 10 召回率"),
    "measure.ndcg_at_10": ("NDCG of the first 10", "前 10 NDCG"),
    "measure.popularity_ndcg_at_10": ("NDCG at 10 of the most popular", "最热门物品的前 10 NDCG"),
    "measure.coverage_at_10": ("Catalogue covered by lists of 10", "前 10 列表的目录覆盖率"),
    "measure.recommended_popularity": ("Popularity of what is shown", "推荐物品的热门程度"),
    "measure.history_popularity": ("Popularity of what was had", "历史物品的热门程度"),
    "measure.popularity_lift": ("How much more popular", "热门程度的提高"),
    "measure.cold_ndcg_at_10": ("NDCG at 10 of items never seen", "新物品的前 10 NDCG"),
    "measure.cold_recall_at_10": ("Recall at 10 of items never seen", "新物品的前 10 召回率"),
    "measure.relation_macro_f1": ("Relations, macro F1", "关系宏平均 F1"),
    "measure.relation_micro_f1": ("Relations, micro F1", "关系微平均 F1"),
    "measure.exact_match": ("Exact match", "完全匹配"),
    "measure.has_answer_exact_match": ("Exact match, answerable", "完全匹配（有答案）"),
    "measure.has_answer_f1": ("F1, answerable", "F1（有答案）"),
    "measure.no_answer_accuracy": ("Accuracy, unanswerable", "准确率（无答案）"),
    "measure.rouge_1": ("ROUGE-1 F1, best reference", "ROUGE-1 F1（最接近的参考）"),
    "measure.rouge_2": ("ROUGE-2 F1, best reference", "ROUGE-2 F1（最接近的参考）"),
    "measure.rouge_l": ("ROUGE-L F1, best reference", "ROUGE-L F1（最接近的参考）"),
    "measure.mean_rouge_1": ("ROUGE-1 F1, mean over references", "ROUGE-1 F1（各参考的平均）"),
    "measure.mean_rouge_2": ("ROUGE-2 F1, mean over references", "ROUGE-2 F1（各参考的平均）"),
    "measure.mean_rouge_l": ("ROUGE-L F1, mean over references", "ROUGE-L F1（各参考的平均）"),
    "measure.lead_rouge_1": ("ROUGE-1 F1 of the beginning", "取开头的 ROUGE-1 F1"),
    "measure.lead_rouge_2": ("ROUGE-2 F1 of the beginning", "取开头的 ROUGE-2 F1"),
    "measure.lead_rouge_l": ("ROUGE-L F1 of the beginning", "取开头的 ROUGE-L F1"),
    "measure.lead_mean_rouge_1": (
        "ROUGE-1 F1 of the beginning, mean over references",
        "取开头的 ROUGE-1 F1（各参考的平均）",
    ),
    "measure.lead_mean_rouge_2": (
        "ROUGE-2 F1 of the beginning, mean over references",
        "取开头的 ROUGE-2 F1（各参考的平均）",
    ),
    "measure.lead_mean_rouge_l": (
        "ROUGE-L F1 of the beginning, mean over references",
        "取开头的 ROUGE-L F1（各参考的平均）",
    ),
    "measure.rouge_1_over_lead": ("ROUGE-1 F1 above the beginning", "ROUGE-1 F1 高出开头"),
    "measure.rouge_2_over_lead": ("ROUGE-2 F1 above the beginning", "ROUGE-2 F1 高出开头"),
    "measure.rouge_l_over_lead": ("ROUGE-L F1 above the beginning", "ROUGE-L F1 高出开头"),
    "measure.most_frequent_place": (
        "Accuracy of always taking the most frequent place",
        "总选最常见位置的准确率",
    ),
    "measure.bleu": ("BLEU", "BLEU"),
    "measure.chrf": ("chrF", "chrF"),
    "measure.perplexity": ("Perplexity of the references", "参考文本的困惑度"),
    "measure.log_probability": ("Log-probability of a token", "每个词元的对数概率"),
    "notes": ("Notes", "说明"),
    "classes": ("Per class", "各类别表现"),
    "classes.caption": (
        "Sorted by support. Support: how often a label is gold; predicted: how often it was given.",
        "按样本数降序排列。样本数为真实标签出现次数，预测数为模型给出该标签的次数。",
    ),
    "weakest": ("weakest", "最弱"),
    "weakest.lead": ("Weakest by F1:", "F1 最低："),
    "weakest.item": ("{f1}, n = {count}", "{f1}，n = {count}"),
    "column.label": ("Label", "标签"),
    "column.precision": ("Precision", "精确率"),
    "column.recall": ("Recall", "召回率"),
    "column.f1": ("F1", "F1"),
    "column.support": ("Support", "样本数"),
    "column.predicted": ("Predicted", "预测数"),
    "average.micro": ("Micro average", "微平均"),
    "average.macro": ("Macro average", "宏平均"),
    "average.weighted": ("Weighted average", "加权平均"),
    "tokens": ("Per token", "词级表现"),
    "tokens.caption": (
        "Each word's tag marked on its own, so a half-found entity still counts in part.",
        "逐词计分，只找对一部分的实体也会部分计入。",
    ),
    "confusion": ("Confusion", "混淆情况"),
    "confusion.caption": (
        "Rows are gold labels, columns predictions; blank is 0. Blue is right, orange is wrong, "
        "deeper is a larger share of the row. n = {count}",
        "行为真实标签，列为预测标签，空白为 0。"
        "蓝色为正确，橙色为错误，颜色越深占该行比例越大。n = {count}",
    ),
    "confusion.corner": ("gold ↓ predicted →", "真实 ↓ 预测 →"),
    "confusion.pairs": (
        "The most confused pairs: {shown} of {pairs}. n = {count}",
        "最常混淆的标签对：共 {pairs} 对，列出 {shown} 对。n = {count}",
    ),
    "confusion.none": (
        "No label was taken for another. n = {count}",
        "没有标签被混淆。n = {count}",
    ),
    "confusion.map": ("All {labels}", "全部 {labels}"),
    "confusion.map.drawn": (
        "Rows are gold labels, columns predictions, in the bundle's label order. Blue is right, "
        "orange is wrong, deeper is a larger share of the row. n = {count}",
        "行为真实标签，列为预测标签，按模型的标签顺序。"
        "蓝色为正确，橙色为错误，颜色越深占该行比例越大。n = {count}",
    ),
    "column.gold": ("Gold", "真实"),
    "column.guess": ("Predicted", "预测"),
    "column.gold_count": ("Gold n", "真实 n"),
    "column.share": ("Share", "占比"),
    "calibration": ("Calibration", "校准"),
    "calibration.drawn": (
        "Bars are the accuracy of each bin, dots stand at its mean confidence; on the dashed line "
        "confidence and accuracy agree. The strip below counts the answers. n = {count}",
        "柱为各区间的准确率，点位于其平均置信度；虚线上两者一致。下方条带为回答数量。n = {count}",
    ),
    "calibration.caption": ("Confidence and accuracy by bin", "各区间的置信度与准确率"),
    "column.bin": ("Bin", "区间"),
    "column.confidence": ("Confidence", "置信度"),
    "column.accuracy": ("Accuracy", "准确率"),
    "column.gap": ("Gap", "差值"),
    "limits": ("How far to rely on it", "可信程度"),
    "limits.calibration": (
        "Probabilities before and after calibration ({name}), {basis}. Lower is better. "
        "n = {count}",
        "校准（{name}）前后的概率，{basis}。越低越好。n = {count}",
    ),
    "limits.name.none": ("none", "无"),
    "limits.name.shift": ("shift taken off", "去除偏移"),
    "limits.name.temperature": ("temperature", "温度缩放"),
    "limits.name.isotonic": ("isotonic", "保序回归"),
    "limits.basis.folds": (
        "each validation row judged by a fit of the others",
        "每个验证行由其余行拟合的校准来评判",
    ),
    "limits.basis.rows": ("measured on these rows", "在这些行上测得"),
    "column.before": ("Before", "之前"),
    "column.after": ("After", "之后"),
    "limits.curve": ("Risk by coverage", "风险与覆盖率"),
    "limits.risk": ("share wrong", "错误占比"),
    "limits.coverage": ("share answered, the surest first", "作答占比，最有把握的在前"),
    "limits.curve.drawn": (
        "How many answers are wrong where only the surest are given. Area under it (AURC) {area}. "
        "n = {count}",
        "只给出最有把握的回答时，其中错误的占比。曲线下面积（AURC）{area}。n = {count}",
    ),
    "limits.promise": (
        "A precision of {wished} was asked for: answers are given from a confidence of "
        "{threshold}, and are right in {low} at least, with 95% confidence. n = {count}",
        "要求的精确率为 {wished}：置信度达到 {threshold} 才作答，"
        "有 95% 的把握至少 {low} 是对的。n = {count}",
    ),
    "limits.sets": (
        "Label sets ({method}) for a coverage of {coverage}: what the validation rows leave to "
        "chance puts it between {low} and {high}, in 90% of draws. n = {count}",
        "标签集合（{method}）目标覆盖率 {coverage}："
        "受验证行抽样影响，90% 的情况下在 {low} 与 {high} 之间。n = {count}",
    ),
    "limits.outside": (
        "Outside what was taught: {name} above {threshold}. Rows inside {inside}, outside "
        "{outside}",
        "范围之外：{name}高于 {threshold}。范围内 {inside} 行，范围外 {outside} 行",
    ),
    "limits.score.energy": ("energy", "能量"),
    "limits.score.mahalanobis": ("Mahalanobis distance to the classes", "到各类别的马氏距离"),
    "limits.score.neighbours": ("distance to training rows", "到训练行的距离"),
    "measure.aurc": ("Area under risk by coverage (AURC)", "风险-覆盖率曲线下面积（AURC）"),
    "measure.answered": ("Share answered", "作答占比"),
    "measure.answered_precision": ("Right among those answered", "作答中正确的占比"),
    "measure.label_set_coverage": ("Label sets with the right label", "含正确标签的集合占比"),
    "measure.label_set_size": ("Labels in a set", "集合中的标签数"),
    "measure.inside_accuracy": (
        "Accuracy inside, what is turned away counted as wrong",
        "范围内准确率（被拒绝的计为错误）",
    ),
    "measure.outside_recall": ("Rows outside that are found", "范围外行的召回率"),
    "measure.outside_precision": ("Rows found that are outside", "判为范围外的精确率"),
    "measure.outside_auroc": ("AUROC, outside against inside", "范围外对范围内的 AUROC"),
    "measure.outside_fpr_95": (
        "Rows outside that pass where 95% inside do (FPR@95)",
        "范围内放行 95% 时范围外的放行率（FPR@95）",
    ),
    "mistakes": ("Worst mistakes", "最严重的错误"),
    "mistakes.lead": ("n = {count} shown", "列出 n = {count} 条"),
    "written.lead": (
        "The answers furthest from their references, the furthest first. n = {count} shown",
        "与参考相差最远的回答，最远的在前。列出 n = {count} 条",
    ),
    "written.text": ("Text", "原文"),
    "written.reference": ("Reference", "参考"),
    "written.answer": ("Answer", "回答"),
    "mistake.gold": ("gold", "真实"),
    "mistake.predicted": ("predicted", "预测"),
    "mistake.confidence": ("confidence", "置信度"),
    "mistake.place": ("from", "来源"),
    "mistake.none": ("none", "无"),
    "mistake.more": ("All {count} characters", "全部 {count} 个字符"),
    "mistake.cut": ("… {count} more characters, not shown", "……另有 {count} 个字符未显示"),
    "training": ("Training", "训练过程"),
    "curve.loss": ("Training loss", "训练损失"),
    "curve.raw": ("Training loss: each step", "训练损失：逐步"),
    "curve.smooth": ("mean of about {span} steps", "约 {span} 步的滑动平均"),
    "curve.validation": ("Validation: {measure}", "验证：{measure}"),
    "curve.step": ("step", "步"),
    "curve.best": ("best, step {step}", "最佳，第 {step} 步"),
    "curve.best.value": ("best {value}, step {step}", "最佳 {value}，第 {step} 步"),
    "curve.drawn": (
        "{steps} training steps, {validations} validations.",
        "训练 {steps} 步，验证 {validations} 次。",
    ),
    "curve.thinned": (
        "Drawn with at most {points} points a line.",
        "每条线最多绘制 {points} 个点。",
    ),
    "curve.lost": (
        "Not drawn, because not a finite number: {count}.",
        "因非有限数值而未绘制：{count} 个。",
    ),
    "rates": ("Loss over the learning rate", "损失随学习率的变化"),
    "rates.raw": ("Loss of the sweep: each step", "扫描损失：逐步"),
    "rates.smooth": ("its centred mean", "居中滑动平均"),
    "rates.rate": ("learning rate", "学习率"),
    "rates.suggestion": ("taken {rate}", "采用 {rate}"),
    "rates.drawn": (
        "{steps} steps, the learning rate growing with each; the weights were put back.",
        "共 {steps} 步，学习率逐步增大；之后权重已恢复原状。",
    ),
    "plan": ("Methods compared", "方法比较"),
    "plan.choice": ("Chosen: {method}.", "选择：{method}。"),
    "plan.worth": (
        "The next {rows} labels are worth about {gain} points (95% interval {low} to {high}).",
        "再标 {rows} 行，约值 {gain} 个百分点（95% 区间 {low} 至 {high}）。",
    ),
    "plan.crossing": (
        "{method} is expected to overtake it at about {rows} rows.",
        "预计到约 {rows} 行时，{method} 会超过它。",
    ),
    "plan.drawn": (
        "Score after learning from so many rows, with its 95% interval; dashed: what the learning "
        "curve expects with all rows.",
        "用这么多行学习之后的分数及其 95% 区间；虚线：学习曲线对全部行的预期。",
    ),
    "plan.rows": ("rows learned from", "学习的行数"),
    "plan.ladder": ("The ladder, best expectation first", "方法阶梯，预期最好的在前"),
    "plan.method": ("Method", "方法"),
    "plan.learned": ("Rows", "行数"),
    "plan.score": ("Score measured", "测得的分数"),
    "plan.expected": ("Expected on all rows", "全部行的预期"),
    "plan.seconds": ("Tuning on all rows", "全部行的微调时间"),
    "plan.latency": ("One text", "一条文本"),
    "plan.memory": ("Memory", "内存"),
    "plan.state": ("Remark", "备注"),
    "plan.chosen": ("chosen", "已选"),
    **SEARCH_CAPTIONS,
    "training.seconds": ("Time", "用时"),
    "training.tokens": ("Tokens", "词元数"),
    "training.tokens_per_second": ("Tokens per second", "每秒词元数"),
    "training.steps": ("Steps", "步数"),
    "training.best_step": ("Best step", "最佳步"),
    "training.seed": ("Seed", "随机种子"),
    "training.reasons": ("Chosen because", "选择依据"),
    "prompt": ("Prompt", "提示"),
    "prompt.by": ("Asked by", "提问方式"),
    "by.likelihood": ("how likely words go on", "词语续写的似然"),
    "by.cloze": ("words in a gap", "完形填空"),
    "prompt.template": ("Template", "模板"),
    "prompt.words": ("Words", "标签词"),
    "prompt.examples": ("Examples", "示例数"),
    "prompt.calibration": ("Calibration", "校准"),
    "calibrated.none": ("not calibrated", "未校准"),
    "calibrated.contextual": ("contextual", "上下文校准"),
    "calibrated.domain": ("domain", "领域校准"),
    "prompt.shown": ("One row as the model reads it", "模型读到的一行"),
    "prompt.tried": (
        "Transcript: {count} trials on training rows",
        "搜索记录：在训练行上试了 {count} 次",
    ),
    "prompt.tried.one": (
        "Transcript: {count} trial on training rows",
        "搜索记录：在训练行上试了 {count} 次",
    ),
    "prompt.column.round": ("Round", "轮次"),
    "prompt.column.rows": ("n", "n"),
    "prompt.column.measure": ("Value", "数值"),
    "prompt.column.interval": ("95% interval", "95% 区间"),
    "prompt.column.log": ("Log-probability", "对数概率"),
    "prompt.column.examples": ("Examples", "示例数"),
    "prompt.column.seconds": ("Time", "用时"),
    "prompt.column.setting": ("Prompt", "提示"),
    "check": ("Pre-flight check", "预检结果"),
    "severity.fault": ("fault", "故障"),
    "severity.warning": ("warning", "警告"),
    "severity.note": ("note", "提示"),
    "provenance": ("Provenance", "溯源信息"),
    "provenance.model": ("Model", "模型"),
    "provenance.data": ("Data", "数据"),
    "provenance.method": ("Method", "方法"),
    "provenance.report": ("Report", "报告"),
    "provenance.name": ("Name", "名称"),
    "provenance.parameters": ("Parameters", "参数量"),
    "provenance.source": ("Source", "来源"),
    "provenance.split": ("Split", "划分"),
    "provenance.rows": ("Rows", "行数"),
    "provenance.created": ("Created", "生成时间"),
    "provenance.format": ("Format", "格式版本"),
}

LOWER_IS_BETTER = frozenset(
    {
        *("ece", "brier", "log_loss", "hamming_loss", "mean_absolute_error"),
        *("aurc", "label_set_size", "outside_fpr_95"),
    }
)


def captions(language: str) -> dict[str, str]:
    """Return the captions of one language; a count never breaks away from its `n =`.

    Raises `SpecError` for a language that has none.
    """
    if language not in LANGUAGES:
        must = "`language` must be one of " + ", ".join(f"`{name}`" for name in LANGUAGES)
        raise SpecError(Problem(must, found=f"`{language}`"), hint="`--set language=en`")
    column = LANGUAGES.index(language)
    return {key: texts[column].replace("n = ", "n\u00a0=\u00a0") for key, texts in CAPTIONS.items()}


def named(words: dict[str, str], family: str, name: str) -> str:
    """Return the caption `family.name`, or the name itself with spaces for underscores."""
    return words.get(f"{family}.{name}", name.replace("_", " "))


def counted(words: dict[str, str], key: str, count: int) -> str:
    """Return the caption `key` with its count, in the singular where the language has one."""
    form = f"{key}.one" if count == 1 else key
    return words[form].format(count=f"{count:,}")
