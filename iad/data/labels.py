"""Whether the name of a folder says that its pictures are good, or that they are defective, in what people call it.

A label follows from the folder alone, so a folder of good parts among the defective ones (`bad/Good`, `test/OK-parts`)
would be one more kind of defect, and one of defective parts below `good` would be learnt from. Names are compared
without case, accents, width, digits and separators, and word by word: `Good_2` reads as good, `not_good` does not.
"""

from __future__ import annotations

import re
import unicodedata

GOOD_WORDS = """
accept accepted acceptable clean compliant conform conforming correct flawless go golden good
intact nominal normal normals ok okay okey pass passed
passing perfect undamaged anomalyfree defectfree faultless faultfree nodefect nodefects noanomaly noanomalies nofault
einwandfrei fehlerfrei fehlerlos gut gute guten guter gutes gutteil gutteile inordnung io
bien bon bonne bonnes bons conforme conformes normale normales normaux sansdefaut sansdefauts
aprobado aprobados buena buenas bueno buenos correcto correctos sindefecto sindefectos
buona buone buoni buono conformi normali senzadifetti
aprovado aprovados boa boas bom bons normais semdefeito semdefeitos
goed goede goedgekeurd normaal
bra felfri god goda gode godkand godkanda godkendt godkjent hyva hyvat normaali
dobra dobre dobro dobry dobrze bezwad bezvad vporadku vyhovujici ispravno jo megfelelo bun bune bune conforma
iyi saglam kusursuz kalo kala καλο καλα
ок годен годные годный исправный норма нормальный нормальные хорошая хорошие хороший хорошо
正常 正常品 正常件 良品 良好 良 好 好品 合格 合格品 合格件 无缺陷 無缺陷 無欠陥 異常なし 異常無し 优良 優良 ok品 正品
정상 정상품 양품 양호 합격 합격품
""".split()  # noqa: SIM905  # a list of words reads best as words

BAD_WORDS = """
abnormal anomalies anomalous anomaly bad broken damaged defect defective defectives defects fail failed failure fault
faulty ko ng nogo nok nogood notgood notok rejected reject rejects scrap unacceptable nonconforming nonconform
ausschuss defekt defekte fehler fehlerhaft niO schlecht schlechte schlechtteil schlechtteile nichtinordnung
defaut defauts defectueux mauvais mauvaise mauvaises nonconforme nonconformes rebut rebuts
defecto defectos defectuosa defectuoso defectuosos mala malas malo malos noconforme rechazado rechazados
cattivo difetti difetto difettoso scarto scarti
defeito defeitos defeituoso reprovado ruim
afgekeurd fout slecht slechte dalig daligt kassation kassera underkand
wada wadliwe wadliwy vada vadne vadny zmetek zly zle hatali hibas selejt
брак бракованные дефект дефектов дефекты плохие плохой
不良 不良品 不合格 不合格品 缺陷 次品 残次品 废品 異常 异常 异常件 异常品 異常品 不好 不正常 不合格 欠陥 不良件 ng品 坏
불량 불량품 비정상 결함
""".split()  # noqa: SIM905

BESIDE = """
a an and all batch bild bilder cam camera cases copie copy data day dataset export extra file files foto fotos frame
frames from group image images img imgs item items kopie line lot more neu new old one only only other part parts
photo photos pic pics picture pictures piece pieces pieza piezas piece produit produits sample samples set shift part
stuck stucke teil teile test train training validation val part unit units version pezzi peca pecas stk
back bottom final front left lower new number of pos position rev right side the top upper ver zone
hinten links oben rechts unten vorn vorne droite gauche derecha izquierda destra sinistra детали детали изделия
图 图像 图片 件 品 产品 样本 画像 写真 사진 이미지 부품 제품
""".split()  # noqa: SIM905
"""Words that a name may hold beside, as it may hold single letters, without meaning another thing."""

NEGATIONS = """
free kein keine nao nem nicht nie no non not ohne pas sans sem senza sin utan zonder без не ikke ei
""".split()  # noqa: SIM905
"""Words that turn what the rest says into its opposite: `not ok`, `pas bon`, `ohne Fehler`, `free of defects`."""


FIRST_SIGN = 0x2E80  # of the writings in which one character is a word


def reads_as_good(name: str) -> bool:
    """Whether a folder of this name would hold good pictures, as people call them in many languages.

    >>> [reads_as_good(name) for name in ("Good_2", "OK-parts", "i.O.", "Gut (Kopie)", "良品", "no defects")]
    [True, True, True, True, True, True]
    >>> [reads_as_good(name) for name in ("scratch", "not_good", "NOK", "good_but_scratched", "okra")]
    [False, False, False, False, False]
    """
    return _reads_as(_GOOD, _BAD, name)


def reads_as_bad(name: str) -> bool:
    """Whether a folder of this name would hold defective pictures of any kind.

    >>> [reads_as_bad(name) for name in ("NG", "bad 2", "n.i.O.", "not_good", "不良", "scratch", "camera 2")]
    [True, True, True, True, True, False, False]
    """
    return _reads_as(_BAD, _GOOD, name)


def _reads_as(words: frozenset[str], opposite: frozenset[str], name: str) -> bool:
    """Whether a name says one of these words, or denies one of the opposite, and says nothing else."""
    said = [word for word in _words(name) if word not in _BESIDE and (len(word) > 1 or _is_one_sign(word))]
    if _says(words, said):
        return True
    rest = [word for word in said if word not in _NEGATIONS]
    return len(rest) < len(said) and _says(opposite, rest) and not _says(opposite, said)


def _says(words: frozenset[str], said: list[str]) -> bool:
    """Whether each word, or all of them in a row, is of these."""
    return "".join(said) in words or (bool(said) and all(word in words for word in said))


def _is_one_sign(word: str) -> bool:
    """Whether one character is a word: 好, and not a, b or v."""
    return len(word) == 1 and ord(word) >= FIRST_SIGN


def _words(name: str) -> list[str]:
    """The words of a name, folded: case, accents, width and compatibility forms do not count, nor do digits.

    >>> _words("Good_2 GutTeile"), _words("n.i.O. 2"), _words("i O")
    (['good', 'gut', 'teile'], ['nio'], ['io'])
    """
    wide = unicodedata.normalize("NFKC", name)
    parted = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", wide)  # GoodParts
    joined = re.sub(r"(?<![^\W_])([^\W\d_])[. ](?=[^\W\d_](?![^\W_]))", r"\1", parted)  # i.O.
    return [_folded(word) for word in re.findall(r"[^\W\d_]+", joined)]


def _folded(word: str) -> str:
    bare = "".join(letter for letter in unicodedata.normalize("NFKD", word) if not unicodedata.combining(letter))
    return unicodedata.normalize("NFKC", bare).casefold()


_GOOD, _BAD, _BESIDE, _NEGATIONS = (
    frozenset(map(_folded, words)) for words in (GOOD_WORDS, BAD_WORDS, BESIDE, NEGATIONS)
)
