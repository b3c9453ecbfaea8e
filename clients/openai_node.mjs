// The official OpenAI client for Node, with Chat Completions and with Responses.

import OpenAI from 'openai';
import { zodResponseFormat, zodTextFormat } from 'openai/helpers/zod';
import { z } from 'zod';

import * as trial from './trial.mjs';
import { expect, expectCity, expectError, expectSorted, expectText, model } from './trial.mjs';

const client = new OpenAI({ baseURL: `${trial.url}/v1`, apiKey: 'sk-trial', maxRetries: 0, timeout: 60_000 });
const Sorted = z.object({ category: z.enum(trial.categories), urgent: z.boolean() });
const chatTool = { type: 'function', function: { name: 'get_weather', parameters: trial.citySchema } };
const responsesTool = { type: 'function', name: 'get_weather', parameters: trial.citySchema, strict: true };

const turns = (content) => [{ role: 'user', content }];
const chat = (content, more = {}) =>
  client.chat.completions.create({ model, messages: turns(content), max_tokens: 200, ...more });
const response = (input, more = {}) => client.responses.create({ model, input, max_output_tokens: 200, ...more });
const demand = trial.mustCall({ tool_choice: 'required' });

async function drain(stream) {
  const events = [];
  for await (const event of stream) events.push(event);
  return events;
}

await trial.run('Chat Completions', {
  async chat() {
    const answer = await chat(trial.hello);
    expectText(answer.choices[0].message.content, trial.helloSaid);
    expect(answer.usage.completion_tokens > 0, answer.usage);
  },
  async stream() {
    const chunks = await drain(await chat(trial.hello, { stream: true, stream_options: { include_usage: true } }));
    const pieces = chunks.flatMap((chunk) => chunk.choices.map((choice) => choice.delta.content)).filter(Boolean);
    expect(pieces.length > 1, `${pieces.length} pieces`);
    expectText(pieces.join(''), trial.helloSaid);
    expect(chunks.at(-1).usage?.completion_tokens > 0, chunks.at(-1));
  },
  async tools() {
    const tools = [chatTool];
    const { message } = (await chat(trial.weather, { tools, ...demand })).choices[0];
    expectCity(JSON.parse(message.tool_calls[0].function.arguments));
    const streamed = client.chat.completions.stream({ model, messages: turns(trial.weather), tools, ...demand });
    const final = (await streamed.finalChatCompletion()).choices[0];
    expect(final.finish_reason === 'tool_calls', final);
    expectCity(JSON.parse(final.message.tool_calls[0].function.arguments));
    const result = { role: 'tool', tool_call_id: message.tool_calls[0].id, content: '7 degrees' };
    const messages = [...turns(trial.weather), message, result];
    trial.expectWeather((await chat('', { messages, ...(trial.isScripted && { tools }) })).choices[0].message.content);
  },
  async 'structured output'() {
    const response_format = zodResponseFormat(Sorted, 'sorted');
    const messages = turns(trial.mail);
    const answer = await client.chat.completions.parse({ model, messages, response_format, max_tokens: 200 });
    expectSorted(answer.choices[0].message.parsed);
  },
  async errors() {
    await expectError(() => chat('?', { model: 'no-such-model' }), (e) => e instanceof OpenAI.NotFoundError);
    await expectError(() => chat(5), (e) => e instanceof OpenAI.BadRequestError);
    if (!trial.isScripted) return;
    await expectError(() => chat(trial.breakOff), (e) => e instanceof OpenAI.InternalServerError);
    const stream = await chat(trial.breakInStream, { stream: true });
    await expectError(() => drain(stream), (e) => e instanceof OpenAI.APIError);
  },
  cancellation: () =>
    trial.cancelled(async () => {
      const stream = await chat(trial.count, { stream: true, max_tokens: undefined });
      for await (const chunk of stream) break;
    }),
});

await trial.run('Responses', {
  async chat() {
    const answer = await response(trial.hello);
    expectText(answer.output_text, trial.helloSaid);
    expect(answer.usage.output_tokens > 0, answer.usage);
  },
  async stream() {
    const events = await drain(await response(trial.hello, { stream: true }));
    const pieces = events.filter((event) => event.type === 'response.output_text.delta').map((event) => event.delta);
    const last = events.at(-1);
    expect(pieces.length > 1 && last.type === 'response.completed', last);
    expectText(pieces.join(''), trial.helloSaid);
    expect(last.response.usage.output_tokens > 0, last.response.usage);
  },
  async tools() {
    const tools = [responsesTool];
    const first = await response(trial.weather, { tools, store: false, ...demand });
    const call = first.output.find((item) => item.type === 'function_call');
    expectCity(JSON.parse(call.arguments));
    const streamed = await client.responses.stream({ model, input: trial.weather, tools, ...demand }).finalResponse();
    expectCity(JSON.parse(streamed.output.find((item) => item.type === 'function_call').arguments));
    const result = { type: 'function_call_output', call_id: call.call_id, output: '7 degrees' };
    const last = await response([...turns(trial.weather), ...first.output, result], { store: false, ...(trial.isScripted && { tools }) });
    trial.expectWeather(last.output_text);
  },
  async chain() {
    trial.onlyKept();
    const tools = [responsesTool];
    const first = await response(trial.hello, { tools });
    const asked = { model, input: trial.weather, tools, previous_response_id: first.id, ...demand };
    const second = await client.responses.stream(asked).finalResponse();
    const call = second.output.find((item) => item.type === 'function_call');
    const result = [{ type: 'function_call_output', call_id: call.call_id, output: '7 degrees' }];
    const last = await response(result, { tools, previous_response_id: second.id });
    trial.expectWeather(last.output_text);
    const sizes = [first, second, last].map((answer) => answer.usage.input_tokens);
    expect(sizes[0] < sizes[1] && sizes[1] < sizes[2], `${sizes} tokens were read`);
    const unknown = () => response('?', { previous_response_id: 'resp_nobody' });
    await expectError(unknown, (e) => e instanceof OpenAI.BadRequestError && e.code === 'previous_response_not_found');
  },
  async 'structured output'() {
    const text = { format: zodTextFormat(Sorted, 'sorted') };
    const answer = await client.responses.parse({ model, input: trial.mail, text, max_output_tokens: 200 });
    expectSorted(answer.output_parsed);
  },
  async errors() {
    await expectError(() => response('?', { model: 'no-such-model' }), (e) => e instanceof OpenAI.NotFoundError);
    await expectError(() => response(turns(5)), (e) => e instanceof OpenAI.BadRequestError);
    if (!trial.isScripted) return;
    await expectError(() => response(trial.breakOff), (e) => e instanceof OpenAI.InternalServerError);
    const types = [];
    try {
      for await (const event of await response(trial.breakInStream, { stream: true })) types.push(event.type);
    } catch (error) {
      types.push(error instanceof OpenAI.APIError ? 'error' : String(error));
    }
    expect(['response.failed', 'error'].includes(types.at(-1)) && !types.includes('response.completed'), types);
  },
  cancellation: () =>
    trial.cancelled(async () => {
      const stream = await response(trial.count, { stream: true, max_output_tokens: undefined });
      for await (const event of stream) break;
    }),
});
