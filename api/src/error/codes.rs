//! The table of everything that can go wrong at the HTTP edge: one line per kind of problem.

use poem::http::StatusCode;

use crate::language::Language;

/// What one [`Code`] says, in both languages. A `{}` in a detail is replaced by the problem's
/// argument.
struct Row {
    code: &'static str,
    status: StatusCode,
    title: [&'static str; 2],
    detail: [&'static str; 2],
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident $code:literal $status:ident
       [$title_en:literal, $title_fa:literal] [$detail_en:literal, $detail_fa:literal];)*) => {
        /// A kind of problem. The set is bounded, so that clients can switch on it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Code {
            $($(#[$doc])* $variant,)*
        }

        impl Code {
            /// Every kind of problem, in the order of the table.
            #[cfg(test)]
            pub(crate) const ALL: &[Self] = &[$(Self::$variant,)*];

            const fn row(self) -> Row {
                match self {
                    $(Self::$variant => Row {
                        code: $code,
                        status: StatusCode::$status,
                        title: [$title_en, $title_fa],
                        detail: [$detail_en, $detail_fa],
                    },)*
                }
            }
        }
    };
}

// The English details of 400 (JSON), 401, 403, 404, 405, 415 and 500 are word for word those of
// the systems Peyk replaces (Django REST framework and simplejwt): old clients show or compare them.
codes! {
    /// Some fields of the request are not valid; the problem lists them.
    Validation "validation" BAD_REQUEST
        ["Invalid data", "دادهٔ نامعتبر"]
        ["Some fields are not valid.", "برخی از فیلدها معتبر نیستند."];
    /// The one-time code is wrong, used or expired, where no login is at stake.
    OtpNotValid "otp_not_valid" BAD_REQUEST
        ["Code not found", "کد نادرست"]
        ["The code sent to this mobile number was not found.", "کد واردشده برای این شماره معتبر نیست."];
    /// A code was sent a moment ago, as django-rest-sms-auth says it.
    SmsAuthTooEarly "code_sent_early" BAD_REQUEST
        ["Code already sent", "کد پیش‌تر ارسال شده"]
        ["Code was send early", "کد پیش‌تر ارسال شده است. لطفاً کمی صبر کنید."];
    /// The one-time code is wrong, used or expired, as django-rest-sms-auth says it.
    SmsAuthCodeNotFound "code_not_found" BAD_REQUEST
        ["Code not found", "کد نادرست"]
        ["Code not found", "کد واردشده برای این شماره معتبر نیست."];
    /// Another account has the number, as django-rest-sms-auth says it.
    SmsAuthUserExists "user_already_exists" BAD_REQUEST
        ["Number in use", "شماره در حال استفاده"]
        ["User with this phone number already exists", "کاربری با این شماره وجود دارد."];
    /// The body is no JSON. Argument: where and why, in English.
    MalformedJson "malformed_json" BAD_REQUEST
        ["Malformed JSON", "JSON نادرست"]
        ["JSON parse error - {}", "بدنهٔ درخواست JSON درستی نیست: {}"];
    /// A frame of a WebSocket is no JSON object.
    BadFrame "bad_frame" BAD_REQUEST
        ["Bad frame", "قاب نادرست"]
        ["A frame is one JSON object, sent as text.", "هر قاب یک شیء JSON است که به شکل متن فرستاده می‌شود."];
    /// A frame of a WebSocket has a type that there is not.
    UnknownFrame "unknown_type" BAD_REQUEST
        ["Unknown type", "نوع ناشناخته"]
        ["There is no such type of frame.", "چنین نوعی از قاب وجود ندارد."];
    /// A frame of a WebSocket is too long.
    FrameTooLong "frame_too_long" PAYLOAD_TOO_LARGE
        ["Frame too long", "قاب بیش از حد بلند"]
        ["The frame is too long; what is longer goes over HTTP.", "قاب بیش از حد بلند است؛ متن‌های بلندتر را با HTTP بفرستید."];
    /// The request is wrong in a way no other code names.
    BadRequest "bad_request" BAD_REQUEST
        ["Bad request", "درخواست نادرست"]
        ["The request could not be understood.", "درخواست قابل فهم نیست."];
    /// No credentials were sent.
    NotAuthenticated "not_authenticated" UNAUTHORIZED
        ["Authentication required", "نیاز به ورود"]
        ["Authentication credentials were not provided.", "اطلاعات ورود ارسال نشده است."];
    /// The token is forged, expired, revoked or of another kind.
    TokenNotValid "token_not_valid" UNAUTHORIZED
        ["Token not valid", "توکن نامعتبر"]
        ["Given token not valid for any token type", "توکن ارسال‌شده معتبر نیست."];
    /// The `Authorization` header is not `Bearer <token>`.
    BadAuthorizationHeader "bad_authorization_header" UNAUTHORIZED
        ["Bad authorization header", "سرآیند ورود نادرست"]
        ["Authorization header must contain two space-delimited values",
         "سرآیند Authorization باید دو بخش با یک فاصله داشته باشد."];
    /// The token's user was deactivated.
    UserInactive "user_inactive" UNAUTHORIZED
        ["User is inactive", "کاربر غیرفعال"]
        ["User is inactive", "حساب کاربر غیرفعال است."];
    /// Wrong user name or password.
    NoActiveAccount "no_active_account" UNAUTHORIZED
        ["Login failed", "ورود ناموفق"]
        ["No active account found with the given credentials",
         "حساب فعالی با این مشخصات پیدا نشد."];
    /// The deployment has closed this way of logging in (`auth.methods`).
    LoginMethodClosed "login_method_closed" FORBIDDEN
        ["Way of logging in closed", "این روش ورود بسته است"]
        ["This way of logging in is turned off.", "این روش ورود غیرفعال است."];
    /// Somebody else has the name.
    UsernameTaken "username_taken" CONFLICT
        ["Name taken", "نام کاربری تکراری"]
        ["A user with that username already exists.", "کاربری با این نام وجود دارد."];
    /// The one-time code is wrong, used or expired.
    OtpNotFound "otp_not_found" UNAUTHORIZED
        ["Code not found", "کد نادرست"]
        ["The code sent to this mobile number was not found.", "کد واردشده برای این شماره معتبر نیست."];
    /// The API key is unknown, expired or revoked.
    ApiKeyNotValid "api_key_not_valid" UNAUTHORIZED
        ["API key not valid", "کلید نامعتبر"]
        ["The API key is not valid.", "کلید API معتبر نیست."];
    /// The caller may not do this.
    PermissionDenied "permission_denied" FORBIDDEN
        ["Permission denied", "دسترسی ندارید"]
        ["You do not have permission to perform this action.", "شما اجازهٔ انجام این کار را ندارید."];
    /// A request with the cookie of the console that another page may have made.
    CsrfFailed "csrf_failed" FORBIDDEN
        ["Request not taken", "درخواست پذیرفته نشد"]
        ["CSRF Failed: the request did not come from the console.",
         "درخواست از صفحهٔ کنسول نیامده است. صفحه را دوباره باز کنید."];
    /// Pages of this origin may not open WebSockets (`chat.sockets.origins`).
    OriginNotAllowed "origin_not_allowed" FORBIDDEN
        ["Origin not allowed", "مبدأ مجاز نیست"]
        ["Pages of this origin may not open WebSockets.", "صفحه‌های این مبدأ اجازهٔ باز کردن WebSocket را ندارند."];
    /// The account has as many WebSockets open as it may.
    TooManySockets "too_many_sockets" TOO_MANY_REQUESTS
        ["Too many WebSockets", "اتصال‌های بیش از حد"]
        ["Too many WebSockets are open. Please close one first.", "تعداد اتصال‌های باز بیش از حد است. ابتدا یکی را ببندید."];
    /// The WebSocket listens to as many rooms as it may.
    TooManySubscriptions "too_many_subscriptions" TOO_MANY_REQUESTS
        ["Too many rooms", "اتاق‌های بیش از حد"]
        ["The WebSocket listens to as many rooms as it may.", "این اتصال به بیشترین تعداد مجاز اتاق گوش می‌دهد."];
    /// What is asked for needs a login, or a confirmation, of a moment ago.
    ConfirmationRequired "confirmation_required" FORBIDDEN
        ["Confirmation required", "نیاز به تأیید دوباره"]
        ["Please confirm with your password or a code that it is you.",
         "لطفاً با گذرواژه یا کد تأیید کنید که خودتان هستید."];
    /// The caller was put out of the room for good.
    Banned "banned" FORBIDDEN
        ["Banned", "محروم از اتاق"]
        ["You are banned from this room.", "شما از این گفتگو محروم شده‌اید."];
    /// The room takes no messages.
    RoomClosed "room_closed" FORBIDDEN
        ["Room closed", "گفتگوی بسته"]
        ["The room is closed.", "این گفتگو بسته است."];
    /// Only those who look after the room write now.
    RoomHeld "room_held" FORBIDDEN
        ["Room held", "گفتگوی متوقف"]
        ["Only those who look after the room can write now.",
         "اکنون فقط گردانندگان این گفتگو می‌توانند بنویسند."];
    /// The caller is silenced in the room.
    Muted "muted" FORBIDDEN
        ["Silenced", "ساکت‌شده"]
        ["You are silenced in this room.", "شما در این گفتگو ساکت شده‌اید."];
    /// One of the two wants to hear nothing of the other.
    Blocked "blocked" FORBIDDEN
        ["Blocked", "مسدود"]
        ["No messages pass between you two.", "میان شما دو نفر پیامی رد و بدل نمی‌شود."];
    /// A room of two has no members to change.
    RoomOfTwo "room_of_two" FORBIDDEN
        ["A room of two", "گفتگوی دونفره"]
        ["A room of two has no such thing.", "در گفتگوی دونفره چنین کاری ممکن نیست."];
    /// Those who look after the room do not open what staff closed.
    RoomClosedByStaff "room_closed_by_staff" FORBIDDEN
        ["Closed by staff", "بسته‌شده از سوی ناظران"]
        ["Staff closed this room: only they open it again.",
         "ناظران این گفتگو را بسته‌اند و فقط خودشان می‌توانند بازش کنند."];
    /// The address of a file was good once.
    FileAddressExpired "file_address_expired" FORBIDDEN
        ["Address expired", "نشانی منقضی"]
        ["This address of a file has expired; look at its message for a new one.",
         "نشانی این فایل منقضی شده است؛ نشانی تازه در پیام آن است."];
    /// No such path, or no such thing for this caller.
    NotFound "not_found" NOT_FOUND
        ["Not found", "پیدا نشد"]
        ["Not found.", "یافت نشد."];
    /// The path has no such method. Argument: the method.
    MethodNotAllowed "method_not_allowed" METHOD_NOT_ALLOWED
        ["Method not allowed", "روش مجاز نیست"]
        ["Method \"{}\" not allowed.", "روش «{}» در این نشانی مجاز نیست."];
    /// The client took too long to send the request.
    RequestTimeout "request_timeout" REQUEST_TIMEOUT
        ["Request timeout", "پایان مهلت درخواست"]
        ["The request took too long to arrive.", "ارسال درخواست بیش از حد طول کشید."];
    /// A code was sent a moment ago. Argument: the seconds to wait.
    OtpCooldown "otp_cooldown" CONFLICT
        ["Code already sent", "کد پیش‌تر ارسال شده"]
        ["An OTP code has already been sent. Please wait {} seconds before trying again.",
         "کد پیش‌تر ارسال شده است. لطفاً {} ثانیه صبر کنید."];
    /// Another account has the number; told to nobody but whoever proved it is theirs.
    PhoneTaken "phone_taken" CONFLICT
        ["Number in use", "شمارهٔ تکراری"]
        ["Another account has this mobile number.", "حساب دیگری این شمارهٔ موبایل را دارد."];
    /// There is no number to send a code to.
    NoPhone "no_phone" CONFLICT
        ["No number", "بدون شماره"]
        ["The account has no mobile number.", "این حساب شمارهٔ موبایل ندارد."];
    /// Organizations with other members are the account's.
    OwnsOrganizations "owns_organizations" CONFLICT
        ["Owner of organizations", "مالک سازمان"]
        ["You own organizations with other members. Hand them over or delete them first.",
         "شما مالک سازمان‌هایی با اعضای دیگر هستید. نخست آن‌ها را واگذار یا حذف کنید."];
    /// The request does not fit the state of what it names.
    Conflict "conflict" CONFLICT
        ["Conflict", "ناسازگاری"]
        ["The request conflicts with the current state.", "درخواست با وضعیت کنونی سازگار نیست."];
    /// Another message was posted under the client's name for it.
    ClientIdUsed "client_id_used" CONFLICT
        ["Client id used", "شناسهٔ تکراری"]
        ["Another message was posted under this client_id.",
         "پیام دیگری با همین client_id فرستاده شده است."];
    /// The wallet does not hold that much.
    InsufficientBalance "insufficient_balance" CONFLICT
        ["Insufficient balance", "موجودی ناکافی"]
        ["The wallet does not hold that much.", "موجودی کیف پول کافی نیست."];
    /// The wallet would hold more than one may.
    WalletFull "wallet_full" CONFLICT
        ["Wallet full", "سقف کیف پول"]
        ["The wallet would hold more than one may.", "موجودی کیف پول از سقف مجاز بیشتر می‌شود."];
    /// What was set aside was spent or went back already.
    HoldEnded "hold_ended" CONFLICT
        ["Hold ended", "پایان نگه‌داشت"]
        ["What was set aside was spent or went back already.",
         "مبلغ کنارگذاشته‌شده پیش‌تر برداشت یا آزاد شده است."];
    /// The payment is not paid, or not any more.
    PaymentNotPaid "payment_not_paid" CONFLICT
        ["Not paid", "پرداخت‌نشده"]
        ["The payment is not paid, or not any more.", "این پرداخت انجام نشده یا دیگر پابرجا نیست."];
    /// The gateway gives no money back this way.
    ReturnUnsupported "return_unsupported" CONFLICT
        ["Not at this gateway", "خارج از توان درگاه"]
        ["The gateway of this payment cannot do that.", "درگاه این پرداخت چنین کاری نمی‌کند."];
    /// The gateway gives no money back any more.
    ReturnTooLate "return_too_late" CONFLICT
        ["Too late", "پایان مهلت"]
        ["The gateway does that only for a while after the payment.",
         "درگاه این کار را تنها تا مدتی پس از پرداخت انجام می‌دهد."];
    /// The money of the payment is on its way back already, or nobody knows.
    ReturnUnderWay "return_under_way" CONFLICT
        ["Under way", "در جریان"]
        ["The money of this payment is on its way back already, or a person has to look at it.",
         "بازگشت وجه این پرداخت در جریان است یا باید بررسی شود."];
    /// The gateway gave no money back. Argument: its word for why.
    ReturnRefused "return_refused" CONFLICT
        ["Refused by the gateway", "رد از سوی درگاه"]
        ["The gateway gave nothing back: {}.", "درگاه وجه را بازنگرداند: {}."];
    /// Another request with the same idempotency key is still running.
    IdempotencyInFlight "idempotency_in_flight" CONFLICT
        ["Request in progress", "درخواست در جریان"]
        ["A request with this Idempotency-Key is still in progress.",
         "درخواستی با همین Idempotency-Key در حال انجام است."];
    /// The idempotency key was used with another body.
    IdempotencyMismatch "idempotency_mismatch" UNPROCESSABLE_ENTITY
        ["Idempotency key reused", "کلید تکراری"]
        ["This Idempotency-Key was used with another request.",
         "این Idempotency-Key با درخواست دیگری به کار رفته است."];
    /// Another organization has the uname.
    UnameTaken "uname_taken" CONFLICT
        ["Uname taken", "شناسهٔ تکراری"]
        ["organization with this uname already exists.", "سازمان دیگری این شناسه را دارد."];
    /// The owner of an organization neither leaves nor is put out.
    OwnerStays "owner_stays" CONFLICT
        ["The owner stays", "مالک می‌ماند"]
        ["The owner cannot leave: hand the organization over first, or delete it.",
         "مالک نمی‌تواند سازمان را ترک کند؛ نخست آن را به عضو دیگری واگذار یا حذف کنید."];
    /// The owner of a room neither leaves nor is put out while others are in it.
    RoomOwnerStays "room_owner_stays" CONFLICT
        ["The owner stays", "مالک می‌ماند"]
        ["The owner cannot leave: hand the room over first, or delete it.",
         "مالک نمی‌تواند گفتگو را ترک کند؛ نخست آن را به عضو دیگری واگذار یا حذف کنید."];
    /// Who was put out for good is not let in.
    PersonBanned "person_banned" CONFLICT
        ["Person banned", "کاربر محروم"]
        ["This person is banned from the room: lift the ban first.",
         "این کاربر از گفتگو محروم شده است؛ نخست محرومیت او را بردارید."];
    /// Nobody does that to themselves.
    Oneself "oneself" CONFLICT
        ["Yourself", "خود شما"]
        ["You cannot do that to yourself.", "این کار را با خودتان نمی‌توانید بکنید."];
    /// The number has an open invitation to the organization.
    AlreadyInvited "already_invited" CONFLICT
        ["Already invited", "پیش‌تر دعوت شده"]
        ["This mobile number is already invited.", "این شماره پیش‌تر دعوت شده است."];
    /// There are as many as there may be. Argument: how many that is.
    LimitReached "limit_reached" CONFLICT
        ["Limit reached", "پایان ظرفیت"]
        ["There cannot be more than {}.", "بیش از {} ممکن نیست."];
    /// The number wants no texts but codes.
    RecipientBlocked "recipient_blocked" CONFLICT
        ["Recipient blocked", "گیرندهٔ مسدود"]
        ["This number receives no messages.", "این شماره پیامک دریافت نمی‌کند."];
    /// The body is over the limit.
    PayloadTooLarge "payload_too_large" PAYLOAD_TOO_LARGE
        ["Payload too large", "درخواست بیش از حد بزرگ"]
        ["The request body is too large.", "بدنهٔ درخواست بیش از حد بزرگ است."];
    /// The part that was asked for is not in the file.
    RangeNotSatisfiable "range_not_satisfiable" RANGE_NOT_SATISFIABLE
        ["No such part", "بخش ناموجود"]
        ["The file has no such part.", "فایل چنین بخشی ندارد."];
    /// The body's media type is not read here. Argument: the type as it was sent.
    UnsupportedMediaType "unsupported_media_type" UNSUPPORTED_MEDIA_TYPE
        ["Unsupported media type", "نوع دادهٔ پشتیبانی‌نشده"]
        ["Unsupported media type \"{}\" in request.", "نوع دادهٔ «{}» پشتیبانی نمی‌شود."];
    /// Too many requests in a short time; `RateLimit` says of what. Argument: the seconds to wait.
    RateLimited "rate_limited" TOO_MANY_REQUESTS
        ["Too many requests", "درخواست بیش از حد"]
        ["Request was throttled. Expected available in {} seconds.",
         "تعداد درخواست‌ها بیش از حد است. لطفاً {} ثانیه صبر کنید."];
    /// The room is slow, and the caller wrote a moment ago. Argument: the seconds to wait.
    SlowMode "slow_mode" TOO_MANY_REQUESTS
        ["Slow mode", "حالت آهسته"]
        ["Members write slowly in this room. Expected available in {} seconds.",
         "در این گفتگو باید آهسته نوشت. لطفاً {} ثانیه صبر کنید."];
    /// The number had its share of codes for today. Argument: the seconds to wait.
    DailyNumberLimit "daily_number_limit" TOO_MANY_REQUESTS
        ["Daily limit of the number", "سقف روزانهٔ شماره"]
        ["This number has received all the codes a number can get in one day. Expected available in {} seconds.",
         "این شماره همهٔ کدهای سهم امروز خود را گرفته است. لطفاً {} ثانیه صبر کنید."];
    /// All numbers of the country had their share for today. Argument: the seconds to wait.
    DailyCountryLimit "daily_country_limit" TOO_MANY_REQUESTS
        ["Daily limit of the country", "سقف روزانهٔ کشور"]
        ["No more codes are sent to numbers of this country today. Expected available in {} seconds.",
         "امروز کد دیگری به شماره‌های این کشور ارسال نمی‌شود. لطفاً {} ثانیه صبر کنید."];
    /// All numbers together had their share for today. Argument: the seconds to wait.
    DailyLimit "daily_limit" TOO_MANY_REQUESTS
        ["Daily limit of the service", "سقف روزانهٔ سرویس"]
        ["No more codes are sent today. Expected available in {} seconds.",
         "امروز کد دیگری ارسال نمی‌شود. لطفاً {} ثانیه صبر کنید."];
    /// The API key had its share of texts or money for today. Argument: the seconds to wait.
    DailyKeyLimit "daily_key_limit" TOO_MANY_REQUESTS
        ["Daily limit of the API key", "سقف روزانهٔ کلید"]
        ["This API key has used up its share of today. Expected available in {} seconds.",
         "این کلید سهم امروز خود را مصرف کرده است. لطفاً {} ثانیه صبر کنید."];
    /// The account had its share of texts for today. Argument: the seconds to wait.
    DailyUserLimit "daily_user_limit" TOO_MANY_REQUESTS
        ["Daily limit of the account", "سقف روزانهٔ حساب"]
        ["This account has used up its share of messages of today. Expected available in {} seconds.",
         "این حساب سهم پیام‌های امروز خود را مصرف کرده است. لطفاً {} ثانیه صبر کنید."];
    /// All texts together had their share for today. Argument: the seconds to wait.
    DailyMessageLimit "daily_message_limit" TOO_MANY_REQUESTS
        ["Daily limit of the service", "سقف روزانهٔ سرویس"]
        ["No more messages are sent today. Expected available in {} seconds.",
         "امروز پیام دیگری ارسال نمی‌شود. لطفاً {} ثانیه صبر کنید."];
    /// Somebody had their share of invitations for today. Argument: the seconds to wait.
    DailyInvitationLimit "daily_invitation_limit" TOO_MANY_REQUESTS
        ["Daily limit of invitations", "سقف روزانهٔ دعوت‌ها"]
        ["You cannot invite anybody else today. Expected available in {} seconds.",
         "امروز نمی‌توانید کس دیگری را دعوت کنید. لطفاً {} ثانیه صبر کنید."];
    /// The account had its share of uploads for today. Argument: the seconds to wait.
    DailyUploadLimit "daily_upload_limit" TOO_MANY_REQUESTS
        ["Daily limit of uploads", "سقف روزانهٔ بارگذاری"]
        ["You cannot upload that much in one day. Expected available in {} seconds.",
         "امروز نمی‌توانید این مقدار فایل بفرستید. لطفاً {} ثانیه صبر کنید."];
    /// Somebody had their share of new rooms for today. Argument: the seconds to wait.
    DailyRoomLimit "daily_room_limit" TOO_MANY_REQUESTS
        ["Daily limit of rooms", "سقف روزانهٔ گفتگوها"]
        ["You cannot make another room today. Expected available in {} seconds.",
         "امروز نمی‌توانید گفتگوی دیگری بسازید. لطفاً {} ثانیه صبر کنید."];
    /// The account changed its number not long ago. Argument: the seconds to wait.
    PhoneChangedLately "phone_changed_lately" TOO_MANY_REQUESTS
        ["Number changed lately", "شماره به‌تازگی تغییر کرده"]
        ["The mobile number was changed not long ago. Expected available in {} seconds.",
         "شمارهٔ موبایل به‌تازگی تغییر کرده است. لطفاً {} ثانیه صبر کنید."];
    /// The guard against pumping takes the send for abuse; it never says why.
    SendRefused "send_refused" TOO_MANY_REQUESTS
        ["Sending refused", "ارسال انجام نشد"]
        ["No code can be sent now. Please try again later.",
         "اکنون نمی‌توان کدی فرستاد. لطفاً بعداً دوباره تلاش کنید."];
    /// A fault of ours. The cause is in the log, under the request id.
    Internal "internal" INTERNAL_SERVER_ERROR
        ["Internal error", "خطای داخلی"]
        ["An error occurred, please contact support.", "خطایی رخ داد، لطفاً با پشتیبانی تماس بگیرید."];
    /// The SMS provider said no, for good.
    ProviderRejected "provider_rejected" BAD_GATEWAY
        ["Provider error", "خطای سرویس‌دهنده"]
        ["The SMS service provider was unable to process the request.",
         "سرویس‌دهندهٔ پیامک نتوانست درخواست را انجام دهد."];
    /// The payment gateway does not take the payment.
    GatewayRefused "gateway_refused" BAD_REQUEST
        ["Refused by the gateway", "رد شده از سوی درگاه"]
        ["The payment gateway does not take this payment.", "درگاه پرداخت این پرداخت را نپذیرفت."];
    /// The payment gateway did not answer, or not in time.
    GatewayNoAnswer "gateway_no_answer" BAD_GATEWAY
        ["No answer from the gateway", "بدون پاسخ از درگاه"]
        ["gateway request failed (no response).", "درگاه پرداخت پاسخ نداد."];
    /// The payment gateway does not take our account. An operator has to look.
    GatewayUnavailable "gateway_unavailable" SERVICE_UNAVAILABLE
        ["Gateway unavailable", "درگاه در دسترس نیست"]
        ["The payment gateway is not available now.", "درگاه پرداخت اکنون در دسترس نیست."];
    /// Something this operation needs is down or full.
    Unavailable "unavailable" SERVICE_UNAVAILABLE
        ["Service unavailable", "سرویس در دسترس نیست"]
        ["The service is temporarily unavailable, please try again.",
         "سرویس موقتاً در دسترس نیست، لطفاً دوباره تلاش کنید."];
    /// The answer was not ready within the request's deadline.
    Timeout "timeout" SERVICE_UNAVAILABLE
        ["Timeout", "پایان مهلت"]
        ["The request took too long to process, please try again.",
         "انجام درخواست بیش از حد طول کشید، لطفاً دوباره تلاش کنید."];
}

impl Code {
    /// The `code` member: stable, for programs.
    pub(crate) fn as_str(self) -> &'static str {
        self.row().code
    }

    /// The HTTP status of this kind.
    pub(crate) fn status(self) -> StatusCode {
        self.row().status
    }

    /// The short text for people, the same for every problem of this kind.
    pub(crate) fn title(self, language: Language) -> &'static str {
        self.row().title[language as usize]
    }

    /// The longer text for people. A detail that needs an argument and got none is the title.
    pub(crate) fn detail(self, language: Language, argument: Option<&str>) -> String {
        let template = self.row().detail[language as usize];
        match argument {
            Some(argument) => template.replacen("{}", argument, 1),
            None if template.contains("{}") => format!("{}.", self.title(language)),
            None => template.to_owned(),
        }
    }

    /// Whether the connection is closed after the answer: part of the request may be unread.
    pub(crate) fn closes_connection(self) -> bool {
        matches!(self, Self::RequestTimeout | Self::PayloadTooLarge | Self::Timeout)
    }

    /// The kind that fits a bare status, for errors that say no more.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status.as_u16() {
            401 => Self::NotAuthenticated,
            403 => Self::PermissionDenied,
            404 => Self::NotFound,
            405 => Self::MethodNotAllowed,
            408 => Self::RequestTimeout,
            409 => Self::Conflict,
            413 => Self::PayloadTooLarge,
            415 => Self::UnsupportedMediaType,
            429 => Self::RateLimited,
            503 => Self::Unavailable,
            400..=499 => Self::BadRequest,
            _ => Self::Internal,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_are_distinct_snake_case_errors() {
        let mut seen = HashSet::new();
        for code in Code::ALL {
            let name = code.as_str();
            assert!(seen.insert(name), "{name} twice");
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
            assert!(code.status().is_client_error() || code.status().is_server_error());
        }
    }

    #[test]
    fn both_languages_take_the_same_argument() {
        for code in Code::ALL {
            let [english, persian] = code.row().detail;
            assert_eq!(english.matches("{}").count(), persian.matches("{}").count());
            assert!(english.matches("{}").count() <= 1);
            for text in [persian, code.title(Language::Persian)] {
                assert!(text.chars().any(|char| ('\u{600}'..'\u{700}').contains(&char)), "{text}");
            }
        }
    }

    #[test]
    fn a_detail_without_its_argument_shows_no_placeholder() {
        for code in Code::ALL {
            for language in [Language::English, Language::Persian] {
                assert!(!code.detail(language, None).contains("{}"));
            }
        }
    }

    #[test]
    fn a_bare_status_finds_a_code_of_that_status() {
        for status in [400, 401, 403, 404, 405, 408, 409, 413, 415, 429, 500, 503] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(Code::of_status(status).status(), status);
        }
    }
}
