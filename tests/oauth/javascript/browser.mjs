// The browser of a person who is signed in: it opens pages, sends their forms, and tells where it is sent.
import assert from "node:assert/strict";

export function browser(cookie) {
  return async (url, form) => {
    const options = { headers: { Cookie: `__Host-tenantry=${cookie}` }, redirect: "manual" };
    if (form !== undefined) {
      options.method = "POST";
      options.body = new URLSearchParams(form);
      options.headers.Origin = new URL(url).origin;
    }
    const answer = await fetch(url, options);
    if (answer.status === 303) return new URL(answer.headers.get("location"), url);
    const text = await answer.text();
    assert.equal(answer.status, 200, text);
    return text;
  };
}

// Where the page's own form goes.
export function target(page) {
  return page.match(/<main>[^]*<form method="post" action="([^"]*)"/)[1];
}

// The value of a field of a page.
export function field(page, name) {
  return page.match(new RegExp(`name="${name}" value="([^"]*)"`))[1].replaceAll("&amp;", "&").replaceAll("&#39;", "'");
}
