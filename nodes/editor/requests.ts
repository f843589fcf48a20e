/** Requests to the admin routes. jQuery's, because Node-RED puts the user's token into those and no others. */
import type { AdminProblem } from '../admin-api.ts';

export type Answer<Body> =
  | { readonly ok: true; readonly body: Body }
  | { readonly ok: false; readonly status: number; readonly problem?: AdminProblem };

/** Never rejects. */
const request = <Body>(settings: JQuery.AjaxSettings): Promise<Answer<Body>> =>
  new Promise((resolve) => {
    $.ajax({ dataType: 'json', timeout: 30_000, ...settings })
      .done((body: Body) => resolve({ ok: true, body }))
      .fail(({ status, responseJSON }: JQuery.jqXHR) => {
        resolve({ ok: false, status, ...(isProblem(responseJSON) ? { problem: responseJSON } : {}) });
      });
  });

export const ask = <Body>(url: string): Promise<Answer<Body>> => request({ url });

export const change = <Body>(url: string, body: object): Promise<Answer<Body>> =>
  request({ url, method: 'POST', contentType: 'application/json', data: JSON.stringify(body) });

const isProblem = (value: unknown): value is AdminProblem =>
  typeof value === 'object' && value !== null && 'code' in value && 'message' in value;
