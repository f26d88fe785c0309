"""Labels and entity types."""


def entity(text, name, kind="LOC"):
    start = text.index(name)
    return (text, [{"start": start, "end": start + len(name), "type": kind}])


def test_one_class_is_a_fault(check, clean):
    found = check(train=[(text, "delivery") for text, _ in clean("train")])
    assert found.one("one_class").severity == "fault"


def test_no_entity_and_no_label_at_all_are_faults(check):
    rows = [(f"text number {row}", []) for row in range(9)]
    for kind in ("ner", "multilabel"):
        finding = check(kind, train=rows).one("no_names")
        assert finding.severity == "fault"
        assert "--column" in finding.message


def test_one_entity_type_is_enough(check):
    rows = [entity(f"London has {row} towers", "London") for row in range(9)]
    assert check("ner", train=rows, valid=[entity("I like London", "London")]).grave() == set()


def test_a_label_only_in_valid_or_test_is_a_fault(check, clean):
    rows = [("Where can I park?", "parking"), ("Is there parking?", "parking"), ("Hm?", "other")]
    finding = check(test=clean("test") + rows).one("labels_not_in_train")
    assert finding.severity == "fault"
    assert finding.places == ("test.csv:38", "test.csv:39", "test.csv:40")
    assert "`other` (1), `parking` (2)" in finding.message
    assert check(valid=clean("valid") + rows).one("labels_not_in_train").figures["split"] == "valid"


def test_an_entity_type_only_in_test_is_a_fault(check):
    rows = [entity(f"London has {row} towers", "London") for row in range(9)]
    found = check("ner", train=rows, valid=rows[:1], test=[entity("Ada sleeps", "Ada", "PER")])
    assert found.one("labels_not_in_train").figures == {"split": "test", "labels": 1, "rows": 1}


def test_a_label_never_held_out_is_noted(check, clean):
    rows = [row for row in clean("valid") if row[1] != "repair"]
    finding = check(valid=rows).one("labels_not_in_valid")
    assert finding.severity == "note"
    assert "1 of 3 labels" in finding.message
    assert "`repair`" in finding.message
    assert not check().named("labels_not_in_valid")


def test_rare_labels_are_listed_up_to_ten(check, clean):
    rows = [(f"Question {row} of many", f"rare {row}") for row in range(12)]
    finding = check(train=clean("train") + rows).one("rare_labels")
    assert finding.severity == "warning"
    assert "12 of 15 labels" in finding.message
    assert finding.message.count("`") == 20
    assert "and 2 more" in finding.message


def test_four_rows_are_rare_and_five_are_not(check, clean):
    rows = [(f"Question {row} of many", "rare") for row in range(5)]
    assert check(train=clean("train") + rows[:4]).named("rare_labels")
    assert not check(train=clean("train") + rows).named("rare_labels")


def test_imbalance_is_noted_with_what_to_type(check, clean):
    rows = [(f"Lamp number {row} is broken", "repair") for row in range(1800)]
    finding = check(train=clean("train") + rows).one("imbalance")
    assert finding.severity == "note"
    assert finding.figures["ratio"] == 51.0
    assert "--set training.class_weights=balanced" in finding.message
    assert not check(train=clean("train") + rows[:1000]).named("imbalance")


def test_rows_without_labels_are_noted(check):
    rows = [(f"text number {row}", ["a"] if row else []) for row in range(9)]
    finding = check("multilabel", train=rows).one("no_labels")
    assert (finding.severity, finding.places) == ("note", ("train.csv:2",))
    assert not check("multilabel", train=rows[1:]).named("no_labels")
