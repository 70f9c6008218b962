import {
  anything,
  choice,
  encodeMessage,
  flag,
  message,
  named,
  repeated,
  text,
  wrapped,
  type MessageFields,
} from './openapi-protobuf.ts';

/** Field numbers of package openapi.v2 (gnostic's OpenAPIv2.proto), as far as our documents use them. */

const extensions = (number: number): MessageFields => ({ 'x-': named(number, anything(2)) });

const schema = (): MessageFields => ({
  $ref: text(1),
  format: text(2),
  description: text(4),
  default: anything(5),
  required: repeated(text(19)),
  enum: repeated(anything(20)),
  additionalProperties: wrapped(21, message(1, schema)),
  type: wrapped(22, text(1)),
  items: wrapped(23, message(1, schema)),
  properties: wrapped(25, named(1, message(2, schema))),
  ...extensions(31),
});

const bodyParameter: MessageFields = {
  description: text(1),
  name: text(2),
  in: text(3),
  required: flag(4),
  schema: message(5, schema),
};

const queryParameter: MessageFields = {
  required: flag(1),
  in: text(2),
  description: text(3),
  name: text(4),
  type: text(6),
  uniqueItems: flag(20),
};

const pathParameter: MessageFields = {
  required: flag(1),
  in: text(2),
  description: text(3),
  name: text(4),
  type: text(5),
};

// ParametersItem → Parameter → BodyParameter | NonBodyParameter → QueryParameterSubSchema | PathParameterSubSchema.
const parameter = wrapped(
  8,
  wrapped(
    1,
    choice((value) => {
      switch (value['in']) {
        case 'body':
          return message(1, bodyParameter);
        case 'query':
          return wrapped(2, message(3, queryParameter));
        default:
          return wrapped(2, message(4, pathParameter));
      }
    }),
  ),
);

const response: MessageFields = { description: text(1), schema: wrapped(2, message(1, schema)) };

const operation: MessageFields = {
  tags: repeated(text(1)),
  description: text(3),
  operationId: text(5),
  produces: repeated(text(6)),
  consumes: repeated(text(7)),
  parameters: repeated(parameter),
  responses: wrapped(9, named(1, wrapped(2, message(1, response)))),
  ...extensions(13),
};

const pathItem: MessageFields = {
  get: message(2, operation),
  put: message(3, operation),
  post: message(4, operation),
  delete: message(5, operation),
  patch: message(8, operation),
};

const document: MessageFields = {
  swagger: text(1),
  info: message(2, { title: text(1), version: text(2) }),
  paths: wrapped(8, named(2, message(2, pathItem))),
  definitions: wrapped(9, named(1, message(2, schema))),
};

/** An OpenAPI v2 JSON document as an `openapi.v2.Document`. */
export function encodeV2Document(value: unknown): Buffer {
  return encodeMessage(document, value);
}
