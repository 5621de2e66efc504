"""A folder's name is read as a person would, in many languages; what means something else is left alone."""

import unicodedata

import pytest

from iad.data.labels import reads_as_bad, reads_as_good

GOOD = (
    "good", "Good", "GOOD ", "good_2", "good-parts", "good (1)", "Good - Copy", "ok", "OK", "O.K.", "okay",
    "OK-parts", "pass", "PASSED", "normal", "Normal images", "no defect", "defect-free", "gut", "Gutteile",
    "i.O.", "iO", "in Ordnung", "fehlerfrei", "bon", "bonnes pieces", "conforme", "sans défaut", "bueno", "buenas",
    "sin defectos", "buono", "aprovado", "bom", "goed", "bra", "godkänd", "hyvä", "dobry", "dobré", "jó", "iyi",
    "sağlam", "хороший", "Годные", "норма", "正常", "正常品", "良品", "良品_01", "合格", "OK品", "良好", "양품", "정상",
    "정상 이미지", "good_v2", "good_left", "good_B", "GO", "Годные детали", "без дефектов", "free of defects",
    "ohne Fehler", "sans défauts", "異常無し", "correct", "ок",
)  # fmt: skip
BAD = (
    "bad", "NG", "ng_2", "NOK", "N.i.O.", "nio", "defect", "Defective parts", "rejects", "not good", "no_good",
    "not ok", "schlecht", "Ausschuss", "défaut", "mauvais", "defectos", "difetti", "fout", "брак",
    "non_ok", "nicht io", "KO", "bad_v2", "NG_left", "nicht gut", "pas bon", "no bueno", "nao conforme", "不好",
    "不正常",     "не годен", "异常件", "non conforme", "N G",
    "不良", "不良品", "不合格", "NG品", "불량",
)  # fmt: skip
OTHER = (
    "scratch", "camera 1", "2024-05-01", "001", "line", "part", "okra", "goodyear", "good_but_wet", "partly ok",
    "passivation", "bone", "abnormal lighting", "border", "badge", "fold",
    "no scratch", "not sure", "no", "A", "cam B", "bun_burnt", "io_pin_bent", "clean_break",
    "pass_through_hole", "not good enough", "contamination", "_", "",
)  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_these_read_as_good(name):
    for form in (name, unicodedata.normalize("NFD", name), name.lower()):
        assert reads_as_good(form)
        assert not reads_as_bad(form)


@pytest.mark.parametrize("name", BAD)
def test_these_read_as_defective(name):
    for form in (name, unicodedata.normalize("NFD", name), name.lower()):
        assert reads_as_bad(form)
        assert not reads_as_good(form)


@pytest.mark.parametrize("name", OTHER)
def test_these_say_neither(name):
    assert not reads_as_good(name)
    assert not reads_as_bad(name)


def test_words_written_together_are_told_apart_by_their_capitals():
    assert reads_as_good("GoodParts_2")
    assert reads_as_bad("BadParts_2")
