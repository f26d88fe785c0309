"use strict";

const WORDS = {
  en: {
    try: "Ask a model", key: "Key, where the service asks for one", body: "Body of POST /v1/predict",
    send: "Send", paths: "Paths", shapes: "Fields", ready: "The service is ready.",
    waiting: "The service is not ready: ", status: "status", meaning: "meaning", field: "field",
    kind: "kind", failed: "No answer: ",
  },
  "zh-CN": {
    try: "向模型提问", key: "密钥（服务要求时填写）", body: "POST /v1/predict 的请求体",
    send: "发送", paths: "路径", shapes: "字段", ready: "服务已就绪。",
    waiting: "服务尚未就绪：", status: "状态码", meaning: "含义", field: "字段",
    kind: "类型", failed: "没有得到回答：",
  },
};
const MEANINGS = {
  "Answer rows.": "回答若干行。", "The models that answer.": "正在提供服务的模型。",
  "Every operation of Tunesmith with its settings.": "Tunesmith 的全部操作及其设置。",
  "Whether the process is alive.": "进程是否存活。",
  "Whether requests are answered; 503 says why not.": "是否可以回答请求；503 会说明原因。",
  "This document.": "本文档。", "The page that shows this document.": "展示本文档的页面。",
  "Figures for Prometheus; needs the scope `admin`.": "供 Prometheus 读取的指标；需要 `admin` 权限。",
  "The answer.": "回答。", "A page.": "页面。", "Figures.": "指标。", "It is not ready.": "尚未就绪。",
  "One of the models.": "其中一个模型。", "Reply to a conversation.": "回复一段对话。",
  "Give a vector for each text.": "为每段文本给出一个向量。",
  "The request is not what it must be.": "请求不符合要求。",
  "No key, or one that is wrong, expired or revoked.": "没有密钥，或密钥错误、过期、已吊销。",
  "The key does not open this.": "该密钥没有此权限。",
  "There is no such path or model.": "没有这个路径或模型。",
  "The path has other methods.": "该路径使用其他方法。",
  "Head or body came too slowly.": "请求头或请求体发送太慢。",
  "The model cannot meet what is asked of it.": "模型无法满足所提出的要求。",
  "Read again where a model came from; needs the scope `admin`.": "重新读取模型的来源；需要 `admin` 权限。",
  "The body has too many bytes.": "请求体的字节过多。",
  "The body is not sent as JSON.": "请求体没有以 JSON 发送。",
  "`Host` names another machine than this one.": "`Host` 指向另一台机器。",
  "A field or a row is not what it must be, or there are too many.": "某个字段或某一行不符合要求，或数量过多。",
  "Too many requests.": "请求过多。", "Something failed in the service.": "服务内部出错。",
  "Not ready, or the queue is full.": "尚未就绪，或队列已满。",
  "The answer took too long.": "回答用时过长。",
  "Ask for an operation as a run; needs the scope `operate`.": "把一个操作作为运行提交；需要 `operate` 权限。",
  "The newest runs that were asked for over HTTP.": "经 HTTP 提交的最新运行。",
  "How a run stands: what was asked, its result or its problem.": "某个运行的状态：提交的内容、结果或问题。",
  "Stop a run as Ctrl-C does.": "像 Ctrl-C 一样停止某个运行。",
  "The events of a run, as server-sent events.": "某个运行的事件，以 server-sent events 形式发送。",
  "It is on record and waits.": "已记录在案，正在等待。", "It is being stopped.": "正在停止。",
  "Events, one after the other, the last of them `end`.": "依次发送的事件，最后一个是 `end`。",
  "All events were read.": "所有事件都已读完。",
  "There is no such run, or no such operation.": "没有这个运行，或没有这个操作。",
  "The run has ended already, or another service carries it out.": "该运行已经结束，或由另一个服务执行。",
  "A setting is not what it must be, or leads outside the folders of the service.": "某个设置不符合要求，或指向服务允许的文件夹之外。",
};

let language = new URLSearchParams(location.search).get("lang") || "en";
let api = null;
let health = null;

const word = (name) => WORDS[language][name];
const said = (text) => (language === "zh-CN" && MEANINGS[text]) || text;

function make(tag, text, parent, kind) {
  const made = document.createElement(tag);
  if (text) made.textContent = text;
  if (kind) made.className = kind;
  if (parent) parent.append(made);
  return made;
}

function table(heads, rows, parent) {
  const made = make("table", "", parent);
  const top = make("tr", "", make("thead", "", made));
  heads.forEach((head) => (make("th", head, top).scope = "col"));
  const inner = make("tbody", "", made);
  rows.forEach((cells) => {
    const line = make("tr", "", inner);
    cells.forEach((cell) => make("td", cell, line));
  });
}

function kindOf(schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.enum) return schema.enum.map((each) => JSON.stringify(each)).join(" | ");
  if (schema.anyOf) return schema.anyOf.map(kindOf).join(" | ");
  if (schema.type === "array") return `[${kindOf(schema.items)}]`;
  if (schema.properties && !schema.title) return `{${Object.keys(schema.properties).join(", ")}}`;
  return [].concat(schema.type || "").join(" | ");
}

function showPaths() {
  const place = document.getElementById("paths");
  place.replaceChildren();
  Object.entries(api.paths).forEach(([path, methods]) =>
    Object.entries(methods).forEach(([method, row]) => {
      const box = make("details", "", place);
      const head = make("summary", "", box);
      make("span", method.toUpperCase(), head, "method");
      make("code", path, head);
      make("span", ` ${said(row.summary)}`, head);
      const rows = Object.entries(row.responses).map(([code, each]) => [code, said(each.description)]);
      table([word("status"), word("meaning")], rows, box);
    }));
}

function showShapes() {
  const place = document.getElementById("shapes");
  place.replaceChildren();
  Object.entries(api.components.schemas).forEach(([name, schema]) => {
    const box = make("details", "", place);
    make("summary", name, box);
    const rows = Object.entries(schema.properties || {}).map(([field, each]) =>
      [field, kindOf(each), each.description || ""]);
    table([word("field"), word("kind"), word("meaning")], rows, box);
  });
}

function show() {
  document.documentElement.lang = language;
  document.querySelectorAll("[data-word]").forEach((each) => (each.textContent = word(each.dataset.word)));
  document.querySelectorAll("[data-language]").forEach((each) =>
    each.setAttribute("aria-pressed", String(each.dataset.language === language)));
  const state = document.getElementById("state");
  if (health) state.textContent = health.status === "ready" ? word("ready") : word("waiting") + health.reasons.join("; ");
  if (api) { showPaths(); showShapes(); }
}

async function send() {
  const reply = document.getElementById("reply");
  const key = document.getElementById("key").value.trim();
  const headers = { "Content-Type": "application/json" };
  if (key) headers.Authorization = `Bearer ${key}`;
  try {
    const answer = await fetch("/v1/predict", { method: "POST", headers, body: document.getElementById("body").value });
    reply.textContent = `${answer.status}\n${JSON.stringify(await answer.json(), null, 1)}`;
  } catch (error) {
    reply.textContent = word("failed") + error.message;
  }
}

async function start() {
  if (!WORDS[language]) language = "en";
  document.querySelectorAll("[data-language]").forEach((each) =>
    each.addEventListener("click", () => { language = each.dataset.language; show(); }));
  document.getElementById("send").addEventListener("click", send);
  show();
  health = await (await fetch("/readyz")).json();
  api = await (await fetch("/openapi.json")).json();
  const content = api.paths["/v1/predict"].post.requestBody.content["application/json"];
  document.getElementById("body").value = JSON.stringify(content.example, null, 1);
  show();
}

start();
