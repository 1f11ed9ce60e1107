// The REST API, as everybody asks it. The session goes along by itself.

export class Problem extends Error {
  constructor(status, answer) {
    super(answer?.detail || answer?.title || `status ${status}`);
    this.status = status;
    this.errors = answer?.errors ?? [];
    this.title = answer?.title ?? "";
  }
}

export function toLogin() {
  location.assign("/login");
}

export async function ask(method, path, body) {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  let response;
  try {
    response = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw new Problem(0, { title: "the agent does not answer" });
  }
  if (response.status === 401) toLogin();
  const text = await response.text();
  let answer = null;
  try {
    answer = text ? JSON.parse(text) : null;
  } catch {
    throw new Problem(response.status, { title: "an answer that is no JSON" });
  }
  if (!response.ok) throw new Problem(response.status, answer);
  return answer;
}

export const vnfPath = (name, rest = "") => `/v1/vnfs/${encodeURIComponent(name)}${rest}`;

// Mistakes as sentences, for where there is no field to show them at.
export function sentence(error) {
  const place = [error.file, error.line, error.column].filter((part) => part !== null && part !== undefined).join(":");
  const says = [error.found && `found ${error.found}`, error.expected && `expected ${error.expected}`].filter(Boolean);
  const said = [place, error.field, says.join(", ")].filter(Boolean).join(": ");
  return error.remedy ? `${said} (${error.remedy})` : said;
}

// Upload a file; `progress` gets shares of 1. XMLHttpRequest alone tells how far an upload is.
export function upload(path, file, progress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    request.setRequestHeader("Content-Type", "application/zip");
    request.upload.addEventListener("progress", (event) => progress(event.loaded / event.total));
    request.addEventListener("error", () => reject(new Problem(0, { title: "the agent does not answer" })));
    request.addEventListener("load", () => {
      let answer = null;
      try {
        answer = JSON.parse(request.responseText);
      } catch { /* told below */ }
      if (request.status === 401) toLogin();
      if (request.status >= 200 && request.status < 300) resolve(answer);
      else reject(new Problem(request.status, answer));
    });
    request.send(file);
  });
}
