/** What went wrong with a pod, in words for its status and Events. */
export type PodErrorCode =
  | 'ImageInvalid'
  | 'ImageNotFound'
  | 'InvalidEnvironment'
  | 'InvalidVolume'
  | 'RootFilesystem'
  | 'RuntimeFailed'
  | 'RuntimeMissing'
  | 'UserNotFound';

/** The one error of agent/pods; `subject` names the image, pod or container it is about. */
export class PodError extends Error {
  override readonly name = 'PodError';
  readonly code: PodErrorCode;
  readonly subject: string;

  constructor(code: PodErrorCode, subject: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
    this.subject = subject;
  }
}
