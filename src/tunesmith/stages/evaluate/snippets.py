"""Lines of Python that use a model by plain transformers, for its card. They run as they stand."""

from __future__ import annotations

from string import Template

_HEAD = """
import torch
from transformers import $loader, AutoTokenizer

name = "."  # this folder, or OWNER/NAME once it is pushed
tokenizer = AutoTokenizer.from_pretrained(name)
model = $loader.from_pretrained(name).eval()
"""

_BODIES = {
    "classification": """
batch = tokenizer(["some text", "another"], padding=True, truncation=True, return_tensors="pt")
with torch.no_grad():
    probabilities = model(**batch).logits.softmax(dim=-1)
for row in probabilities:
    print(model.config.id2label[int(row.argmax())], float(row.max()))
""",
    "multilabel": """
batch = tokenizer(["some text", "another"], padding=True, truncation=True, return_tensors="pt")
with torch.no_grad():
    probabilities = model(**batch).logits.sigmoid()
for row in probabilities:
    print([model.config.id2label[int(index)] for index in (row > 0.5).nonzero()])
""",
    "matching": """
batch = tokenizer(["one text"], ["another text"], truncation=True, return_tensors="pt")
with torch.no_grad():
    logits = model(**batch).logits[0]
print({model.config.id2label[index]: float(logit) for index, logit in enumerate(logits)})
""",
    "ner": """
text = "some text"
batch = tokenizer(text, truncation=True, return_tensors="pt", return_offsets_mapping=True)
offsets = batch.pop("offset_mapping")[0].tolist()
with torch.no_grad():
    tags = model(**batch).logits[0].argmax(dim=-1)
for (start, end), tag in zip(offsets, tags):
    if end > start:  # a word has the tag of its first token
        print(text[start:end], model.config.id2label[int(tag)])
""",
    "qa": """
question, context = "where is it?", "it is in the box"
batch = tokenizer(question, context, return_tensors="pt", return_offsets_mapping=True)
offsets, parts = batch.pop("offset_mapping")[0].tolist(), batch.sequence_ids(0)
with torch.no_grad():
    found = model(**batch)
places = [at for at, part in enumerate(parts) if part == 1]
scores = found.start_logits[0][:, None] + found.end_logits[0]
pairs = [(first, last) for first in places for last in places if first <= last]
first, last = max(pairs, key=lambda pair: scores[pair])
print(context[offsets[first][0] : offsets[last][1]])
""",
    "embed": """
batch = tokenizer(["one text", "another text"], padding=True, return_tensors="pt")
with torch.no_grad():
    states = model(**batch)[0]
mask = batch["attention_mask"].unsqueeze(-1)
vectors = (states * mask).sum(dim=1) / mask.sum(dim=1)
print(torch.nn.functional.cosine_similarity(vectors[0], vectors[1], dim=0))
""",
    "states": """
batch = tokenizer(["some text"], return_tensors="pt")
with torch.no_grad():
    print(model(**batch)[0].shape)
""",
    "seq2seq": """
batch = tokenizer(["some text"], return_tensors="pt")
written = model.generate(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
print(tokenizer.decode(written[0], skip_special_tokens=True))
""",
    "causal": """
ids = tokenizer("some text", add_special_tokens=False)["input_ids"]
ids = torch.tensor([[*ids, *tokenizer("\\n", add_special_tokens=False)["input_ids"]]])
written = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids))
print(tokenizer.decode(written[0, ids.shape[1] :], skip_special_tokens=True))
""",
    "chat": """
messages = [{"role": "user", "content": "some question"}]
text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
batch = tokenizer(text, add_special_tokens=False, return_tensors="pt")
ids = batch["input_ids"]
written = model.generate(input_ids=ids, attention_mask=batch["attention_mask"])
print(tokenizer.decode(written[0, ids.shape[1] :], skip_special_tokens=True))
""",
    "chat beside": """
messages = [{"role": "user", "content": "some question"}]
text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
ids = tokenizer(text, return_tensors="pt")["input_ids"]
print(tokenizer.decode(model.generate(ids)[0], skip_special_tokens=True))
""",
}


def make_snippet(use: str, *, loader: str) -> str:
    """Return lines that load a model by `loader` and use it as `use` says, a key of the table."""
    return Template(_HEAD).substitute(loader=loader) + _BODIES[use]
