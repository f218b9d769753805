"""The public data sets this project knows, and what is known of each.

Owns the facts: names, licences, citations, files, counts. Knows no network and no disk. Where a fact comes from is
said beside it; none of it was checked against the real hosts by this project's tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from tumorscope.core.labels import Diagnosis

__all__ = ["SOURCES", "KnownFile", "Source", "SourceName"]


class SourceName(StrEnum):
    """What a user calls a data set."""

    KAGGLE = "kaggle"
    FIGSHARE = "figshare"
    SARTAJ = "sartaj"
    BR35H = "br35h"


@dataclass(frozen=True, slots=True)
class KnownFile:
    """A file of a published data set.

    Parameters
    ----------
    name
        As published.
    url
        Where it is downloaded.
    size
        Bytes; ``None`` where unknown.
    md5
        32 hex digits; ``None`` where unknown.
    """

    name: str
    url: str
    size: int | None = None
    md5: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """A published data set.

    Parameters
    ----------
    name
        What a user calls it; also what the manifest's column ``source`` says.
    title
        As published.
    page
        Where a browser gets it.
    licence
        As its page states it.
    citation
        What its makers ask to be cited.
    data_set
        Its name before the ``@`` of the stamp in the manifest's column ``dataset``.
    counts
        Images of each class in the published set.
    folders
        Names of folders that stand for a class, or for images that are left out (``None``), beyond the usual ones.
    left_out
        Why images of such folders are left out.
    handle
        ``owner/name`` on Kaggle; ``None`` elsewhere.
    release
        Number of the Kaggle version that was looked at; ``None`` elsewhere.
    article
        Number of the Figshare article; ``None`` elsewhere.
    files
        What a download consists of, where that is known.
    """

    name: SourceName
    title: str
    page: str
    licence: str
    citation: str
    data_set: str
    counts: Mapping[Diagnosis, int]
    folders: Mapping[str, Diagnosis | None] = field(default_factory=dict)
    left_out: str | None = None
    handle: str | None = None
    release: int | None = None
    article: int | None = None
    files: tuple[KnownFile, ...] = ()

    @property
    def images(self) -> int:
        """Images in the published set, as far as they have one of the four classes."""
        return sum(self.counts.values())

    @property
    def stamp(self) -> str:
        """Name and version of the whole set, for the manifest's column ``dataset``."""
        return f"{self.data_set}@{self.images}"


_FIGSHARE_FILES = "https://ndownloader.figshare.com/files/"

_KAGGLE = Source(
    name=SourceName.KAGGLE,
    title="Brain Tumor MRI Dataset (Nickparvar)",
    page="https://www.kaggle.com/datasets/masoudnickparvar/brain-tumor-mri-dataset",
    licence="CC0: Public Domain, as its page states; its tumour images are those of Figshare (CC BY 4.0: cite Cheng)",
    citation="M. Nickparvar, Brain Tumor MRI Dataset, Kaggle, 2021, https://doi.org/10.34740/KAGGLE/DSV/2645886",
    data_set="brain-tumor-mri-dataset",
    counts={
        Diagnosis.GLIOMA: 1621,
        Diagnosis.MENINGIOMA: 1645,
        Diagnosis.NOTUMOR: 2000,
        Diagnosis.PITUITARY: 1757,
    },
    handle="masoudnickparvar/brain-tumor-mri-dataset",
    # Public scripts pin versions/1 for the 7,023 images and versions/2 (February 2026) for the 7,200.
    release=1,
)

_FIGSHARE = Source(
    name=SourceName.FIGSHARE,
    title="brain tumor dataset (Cheng)",
    page="https://figshare.com/articles/dataset/brain_tumor_dataset/1512427",
    licence="CC BY 4.0",
    citation="J. Cheng, brain tumor dataset, figshare, https://doi.org/10.6084/m9.figshare.1512427; J. Cheng et al., "
    "PLoS ONE 10(10): e0140381, 2015, https://doi.org/10.1371/journal.pone.0140381",
    data_set="figshare-1512427",
    counts={Diagnosis.GLIOMA: 1426, Diagnosis.MENINGIOMA: 708, Diagnosis.PITUITARY: 930},
    article=1512427,
    # Sizes and checksums as several independent public scripts quote them from the host's own list for version 8 of
    # the article; the host's list, where it answers, is believed instead of this one.
    files=(
        KnownFile(
            "brainTumorDataPublic_1-766.zip",
            f"{_FIGSHARE_FILES}3381290",
            214_401_279,
            "74b949ad33f042e6e103523091cd1428",
        ),
        KnownFile(
            "brainTumorDataPublic_767-1532.zip",
            f"{_FIGSHARE_FILES}3381296",
            217_848_429,
            "7e8a875500d2c8a346f270538e29890e",
        ),
        KnownFile(
            "brainTumorDataPublic_1533-2298.zip",
            f"{_FIGSHARE_FILES}3381293",
            215_563_856,
            "8227bf6080cb71f15a88be8d25c79ae7",
        ),
        KnownFile(
            "brainTumorDataPublic_2299-3064.zip",
            f"{_FIGSHARE_FILES}3381302",
            231_679_762,
            "b378a80d6174e5317d59eb28430c6652",
        ),
        KnownFile("cvind.mat", f"{_FIGSHARE_FILES}7005344", 5736, "5ea82eb3212c9fcb84290ccf0beb486d"),
    ),
)

_SARTAJ = Source(
    name=SourceName.SARTAJ,
    title="Brain Tumor Classification (MRI) (SARTAJ)",
    page="https://www.kaggle.com/datasets/sartajbhuvaji/brain-tumor-classification-mri",
    licence="as its page states; public copies disagree (CC0 or MIT): read the page before passing images on",
    citation="S. Bhuvaji, A. Kadam, P. Bhumkar, S. Dedge, S. Kanchan, Brain Tumor Classification (MRI), Kaggle, 2020, "
    "https://doi.org/10.34740/KAGGLE/DSV/1183165",
    data_set="brain-tumor-classification-mri",
    counts={
        Diagnosis.GLIOMA: 926,
        Diagnosis.MENINGIOMA: 937,
        Diagnosis.NOTUMOR: 500,
        Diagnosis.PITUITARY: 901,
    },
    handle="sartajbhuvaji/brain-tumor-classification-mri",
    release=3,
)

_BR35H = Source(
    name=SourceName.BR35H,
    title="Br35H :: Brain Tumor Detection 2020",
    page="https://www.kaggle.com/datasets/ahmedhamada0/brain-tumor-detection",
    licence="as its page states: read it before passing images on",
    citation="A. Hamada, Br35H :: Brain Tumor Detection 2020, Kaggle, 2020, "
    "https://www.kaggle.com/datasets/ahmedhamada0/brain-tumor-detection",
    data_set="br35h",
    counts={Diagnosis.NOTUMOR: 1500},
    folders={"no": Diagnosis.NOTUMOR, "yes": None, "pred": None, "br35h-mask-rcnn": None},
    left_out="its folders yes, pred and Br35H-Mask-RCNN do not say which tumour an image shows",
    handle="ahmedhamada0/brain-tumor-detection",
    release=12,
)

SOURCES: Mapping[SourceName, Source] = {
    source.name: source for source in (_KAGGLE, _FIGSHARE, _SARTAJ, _BR35H)
}
