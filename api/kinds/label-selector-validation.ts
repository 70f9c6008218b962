import { forbidden, invalid, required, type FieldError } from './field-error.ts';
import type { LabelSelector, LabelSelectorRequirement } from './meta.ts';
import { checkLabelValue, checkQualifiedName } from './names.ts';
import { validateLabels } from './object-meta.ts';

/** Mistakes in a selector with matchLabels and matchExpressions. */
export function validateLabelSelector(selector: LabelSelector, path: string): FieldError[] {
  return [
    ...validateLabels(selector.matchLabels, `${path}.matchLabels`),
    ...(selector.matchExpressions ?? []).flatMap((each, index) =>
      validateExpression(each, `${path}.matchExpressions[${index}]`),
    ),
  ];
}

function validateExpression(expression: LabelSelectorRequirement, path: string): FieldError[] {
  const { key, operator, values = [] } = expression;
  const errors = validateOperator(operator, values, path);
  const wrongKey = checkQualifiedName(key);
  if (wrongKey !== undefined) errors.push(invalid(`${path}.key`, key, wrongKey));
  for (const [index, value] of values.entries()) {
    const wrong = checkLabelValue(value);
    if (wrong !== undefined) errors.push(invalid(`${path}.values[${index}]`, value, wrong));
  }
  return errors;
}

function validateOperator(operator: string, values: readonly string[], path: string): FieldError[] {
  switch (operator) {
    case 'In':
    case 'NotIn':
      if (values.length > 0) return [];
      return [required(`${path}.values`, "must be specified when `operator` is 'In' or 'NotIn'")];
    case 'Exists':
    case 'DoesNotExist':
      if (values.length === 0) return [];
      return [
        forbidden(`${path}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"),
      ];
    default:
      return [invalid(`${path}.operator`, operator, 'not a valid selector operator')];
  }
}
