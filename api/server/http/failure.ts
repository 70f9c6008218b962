import { DecodeError } from '../../kinds/decode.ts';
import { SelectorError } from '../../kinds/selector.ts';
import { StoreError } from '../../store/store.ts';
import { PatchError } from '../patch/patch-error.ts';
import { badRequest, internalError, serviceUnavailable, StatusError } from '../status-error.ts';

/** Whatever went wrong as the Status that the client gets. */
export function toStatusError(error: unknown): StatusError {
  if (error instanceof StatusError) return error;
  if (error instanceof DecodeError || error instanceof SelectorError) return badRequest(error.message, error);
  if (error instanceof PatchError) {
    return new StatusError({ code: error.code, reason: error.reason, message: error.message, cause: error });
  }
  if (error instanceof StoreError) return serviceUnavailable(`the store failed: ${error.message}`, error);
  return internalError(error);
}
