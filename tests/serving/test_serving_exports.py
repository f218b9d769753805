"""What a person takes home: CSV, JSON and a page as PDF."""

from __future__ import annotations

import csv
import io
import re
import zlib

import httpx
from serving_files import EXAMPLE, answered, is_problem, nifti

from tumorscope.core.prediction import NOTICE
from tumorscope.serving.exports import CSV_COLUMNS


def test_csv_has_a_row_for_everything(client: httpx.Client) -> None:
    document = answered(
        client, ("=1+1.png", EXAMPLE.read_bytes()), ("v.nii", nifti(3)), ("@bad.png", b"junk")
    )
    response = client.get(f"/v1/predictions/{document['id']}/answers.csv")
    assert response.headers["content-disposition"] == 'attachment; filename="answers.csv"'
    rows = list(csv.DictReader(io.StringIO(response.text, newline="")))
    assert tuple(rows[0]) == CSV_COLUMNS
    assert [row["kind"] for row in rows] == ["slice", "slice", "slice", "slice", "series", "error"]
    assert rows[0]["name"] == "'=1+1.png", "no spreadsheet takes a name for a formula"
    assert rows[-1]["name"] == "'@bad.png"
    one = document["cases"][0]["slices"][0]
    assert float(rows[0]["glioma"]) == round(one["probabilities"]["glioma"], 6)
    assert rows[0]["diagnosis"] == one["diagnosis"]
    assert {row["notice"] for row in rows} == {NOTICE}


def test_json_is_the_document(client: httpx.Client) -> None:
    document = answered(client, ("a.png", EXAMPLE.read_bytes()))
    assert client.get(f"/v1/predictions/{document['id']}/answers.json").json() == document


def test_pdf_is_one_page_with_pictures_and_the_notice(client: httpx.Client) -> None:
    document = answered(client, ("Käse 日本.png", EXAMPLE.read_bytes()), ("v.nii", nifti(3)))
    for case in document["cases"]:
        response = client.get(f"/v1/predictions/{document['id']}/cases/{case['id']}/report.pdf")
        assert response.headers["content-type"] == "application/pdf"
        content = response.content
        assert content.startswith(b"%PDF-")
        assert len(re.findall(rb"/Type /Page\b", content)) == 1
        assert content.count(b"/Subtype /Image") >= 2
        text = b""
        for packed in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", content, re.DOTALL):
            try:
                text += zlib.decompress(packed)
            except zlib.error:
                continue
        assert NOTICE.split(":")[0].encode() in text
        assert document["model"].encode() in text
    assert is_problem(client.get(f"/v1/predictions/{document['id']}/cases/c99/report.pdf"), 404)
