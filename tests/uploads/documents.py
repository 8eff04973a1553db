"""Tables, workbooks, archives and documents made for a test, honest ones and others."""

import io
import struct
import zipfile
import zlib

_TYPES = (
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Override PartName="/xl/workbook.xml" '
    'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>'
)
RELATIONS = (
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="r1" Target="{}" '
    'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/{}"/></Relationships>'
)
MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_LINKS = 'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'


def archive(files, **how):
    """A zip of these names and contents."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", how.pop("compression", zipfile.ZIP_DEFLATED)) as writing:
        for name, content in files.items():
            writing.writestr(name, content)
    return made.getvalue()


def workbook(rows, dimension="", **more):
    """An Excel workbook with one sheet, "People", of these rows of XML."""
    parts = {
        "[Content_Types].xml": _TYPES,
        "_rels/.rels": RELATIONS.format("xl/workbook.xml", "officeDocument"),
        "xl/_rels/workbook.xml.rels": RELATIONS.format("worksheets/sheet1.xml", "worksheet"),
        "xl/workbook.xml": f'<workbook {MAIN} {_LINKS}><sheets><sheet name="People" sheetId="1" r:id="r1"/></sheets>'
        "</workbook>",
        "xl/worksheets/sheet1.xml": f"<worksheet {MAIN}>{dimension}<sheetData>{rows}</sheetData></worksheet>",
    }
    return archive({**parts, **more})


def row(number, *cells):
    """A row of a sheet, its cells from column A on."""
    inside = "".join(
        f'<c r="{chr(65 + at)}{number}" t="inlineStr"><is><t>{cell}</t></is></c>'
        if isinstance(cell, str)
        else f'<c r="{chr(65 + at)}{number}"><v>{cell}</v></c>'
        for at, cell in enumerate(cells)
    )
    return f'<row r="{number}">{inside}</row>'


def lying(name, content, says):
    """An archive whose one file comes to more than it says."""
    made = bytearray(archive({name: content}))
    for magic, at in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        struct.pack_into("<L", made, made.index(magic) + at, says)
    return bytes(made)


def overlapping(files, size):
    """One compressed kernel that each of many entries claims as its own, as in D. Fifield's bomb."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    kernel = packer.compress(bytes(size)) + packer.flush()
    crc = zlib.crc32(bytes(size))
    facts = (20, 0, 8, 0, 0, crc, len(kernel), size)
    made = struct.pack("<4s5H3L2H", b"PK\3\4", *facts, 5, 0) + b"00000" + kernel
    directory = b"".join(
        struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, *facts, 5, 0, 0, 0, 0, 0, 0) + b"%05d" % number
        for number in range(files)
    )
    return made + directory + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, files, files, len(directory), len(made), 0)


def nameless():
    """An archive whose one file has no name."""
    facts = (20, 0, 0, 0, 0, zlib.crc32(b"x"), 1, 1, 0, 0)
    file = struct.pack("<4s5H3L2H", b"PK\3\4", *facts) + b"x"
    directory = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, *facts, 0, 0, 0, 0, 0)
    return file + directory + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(directory), len(file), 0)


def document(pages=1, words="Hello", size=(612, 792), count=None, extra=b""):
    """A PDF with text on each page."""
    kids = " ".join(f"{4 + 2 * at} 0 R" for at in range(pages))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Count {pages if count is None else count} /Kids [{kids}] >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for at in range(pages):
        shown = f"BT /F1 24 Tf 72 72 Td ({words} {at + 1}) Tj ET".encode()
        objects += [
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {size[0]} {size[1]}] /Contents {5 + 2 * at} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>".encode(),
            b"<< /Length %d >>\nstream\n" % len(shown) + shown + b"\nendstream",
        ]
    return assembled(objects, extra)


def assembled(objects, extra=b"", trailer=b""):
    """A PDF of these objects, numbered from 1; the first is its catalog."""
    made = io.BytesIO()
    made.write(b"%PDF-1.7\n")
    places = []
    for number, content in enumerate(objects, 1):
        places.append(made.tell())
        made.write(b"%d 0 obj\n" % number + content + b"\nendobj\n")
    made.write(extra)
    start = made.tell()
    made.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    made.write(b"".join(b"%010d 00000 n \n" % place for place in places))
    made.write(b"trailer\n<< /Size %d /Root 1 0 R %s >>\n" % (len(objects) + 1, trailer))
    made.write(b"startxref\n%d\n%%%%EOF\n" % start)
    return made.getvalue()
