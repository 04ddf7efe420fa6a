"""Sets of fields on disk: images, instance masks, the whole truth, and formats of other programs.

========================================  ==========================================================
``images/SPLIT/000000.png`` or ``.tif``    8-bit grey levels, or the field's own numbers
``masks/SPLIT/000000.tif``                 number of the particle that each pixel shows, int32
``truth/SPLIT/000000.json``                everything known of the field; written last
``annotations/SPLIT.json``                 COCO: visible particles, polygons, boxes, key points
``labels/SPLIT/000000.txt``, ``data.yaml``  YOLO: boxes of visible particles
``images/SPLIT/metadata.jsonl``            Hugging Face ``datasets``: image folder with objects
``parquet/SPLIT.parquet``                  the same with the images in it, where asked for
``README.md``, ``fields.json``             card, and the plan that the set follows
========================================  ==========================================================
"""

from stemfast.dataset.fields.plan import FieldPlan
from stemfast.dataset.fields.write import write_fields

__all__ = ["FieldPlan", "write_fields"]
