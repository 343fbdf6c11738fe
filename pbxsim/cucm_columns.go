package pbxsim

import (
	"strings"
)

// The columns of the files of a Unified Communications Manager 12.5 and up, in order, with their type: i integer,
// u unique identifier, a number for text of so many characters.

// cucmCDRColumns are the 133 of a call detail record.
const cucmCDRColumns = `
cdrRecordType:i globalCallID_callManagerId:i globalCallID_callId:i origLegCallIdentifier:i
dateTimeOrigination:i origNodeId:i origSpan:i origIpAddr:i callingPartyNumber:50
callingPartyUnicodeLoginUserID:128 origCause_location:i origCause_value:i origPrecedenceLevel:i
origMediaTransportAddress_IP:i origMediaTransportAddress_Port:i origMediaCap_payloadCapability:i
origMediaCap_maxFramesPerPacket:i origMediaCap_g723BitRate:i origVideoCap_Codec:i origVideoCap_Bandwidth:i
origVideoCap_Resolution:i origVideoTransportAddress_IP:i origVideoTransportAddress_Port:i origRSVPAudioStat:64
origRSVPVideoStat:64 destLegIdentifier:i destNodeId:i destSpan:i destIpAddr:i originalCalledPartyNumber:50
finalCalledPartyNumber:50 finalCalledPartyUnicodeLoginUserID:128 destCause_location:i destCause_value:i
destPrecedenceLevel:i destMediaTransportAddress_IP:i destMediaTransportAddress_Port:i
destMediaCap_payloadCapability:i destMediaCap_maxFramesPerPacket:i destMediaCap_g723BitRate:i
destVideoCap_Codec:i destVideoCap_Bandwidth:i destVideoCap_Resolution:i destVideoTransportAddress_IP:i
destVideoTransportAddress_Port:i destRSVPAudioStat:64 destRSVPVideoStat:64 dateTimeConnect:i
dateTimeDisconnect:i lastRedirectDn:50 pkid:u originalCalledPartyNumberPartition:50
callingPartyNumberPartition:50 finalCalledPartyNumberPartition:50 lastRedirectDnPartition:50 duration:i
origDeviceName:129 destDeviceName:129 origCallTerminationOnBehalfOf:i destCallTerminationOnBehalfOf:i
origCalledPartyRedirectOnBehalfOf:i lastRedirectRedirectOnBehalfOf:i origCalledPartyRedirectReason:i
lastRedirectRedirectReason:i destConversationId:i globalCallId_ClusterID:50 joinOnBehalfOf:i comment:2048
authCodeDescription:50 authorizationLevel:i clientMatterCode:32 origDTMFMethod:i destDTMFMethod:i
callSecuredStatus:i origConversationId:i origMediaCap_Bandwidth:i destMediaCap_Bandwidth:i
authorizationCodeValue:32 outpulsedCallingPartyNumber:50 outpulsedCalledPartyNumber:50 origIpv4v6Addr:64
destIpv4v6Addr:64 origVideoCap_Codec_Channel2:i origVideoCap_Bandwidth_Channel2:i
origVideoCap_Resolution_Channel2:i origVideoTransportAddress_IP_Channel2:i
origVideoTransportAddress_Port_Channel2:i origVideoChannel_Role_Channel2:i destVideoCap_Codec_Channel2:i
destVideoCap_Bandwidth_Channel2:i destVideoCap_Resolution_Channel2:i destVideoTransportAddress_IP_Channel2:i
destVideoTransportAddress_Port_Channel2:i destVideoChannel_Role_Channel2:i IncomingProtocolID:i
IncomingProtocolCallRef:32 OutgoingProtocolID:i OutgoingProtocolCallRef:32 currentRoutingReason:i
origRoutingReason:i lastRedirectingRoutingReason:i huntPilotPartition:50 huntPilotDN:50
calledPartyPatternUsage:i IncomingICID:50 IncomingOrigIOI:50 IncomingTermIOI:50 OutgoingICID:50
OutgoingOrigIOI:50 OutgoingTermIOI:50 outpulsedOriginalCalledPartyNumber:50 outpulsedLastRedirectingNumber:50
wasCallQueued:i totalWaitTimeInQueue:i callingPartyNumber_uri:255 originalCalledPartyNumber_uri:255
finalCalledPartyNumber_uri:255 lastRedirectDn_uri:255 mobileCallingPartyNumber:50
finalMobileCalledPartyNumber:50 origMobileDeviceName:129 destMobileDeviceName:129 origMobileCallDuration:i
destMobileCallDuration:i mobileCallType:i originalCalledPartyPattern:50 finalCalledPartyPattern:50
lastRedirectingPartyPattern:50 huntPilotPattern:50 origDeviceType:100 destDeviceType:100
origDeviceSessionID:128 destDeviceSessionID:128
`

// cucmCMRColumns are the 48 of a call management (quality) record.
const cucmCMRColumns = `
cdrRecordType:i globalCallID_callManagerId:i globalCallID_callId:i nodeId:i directoryNum:50 callIdentifier:i
dateTimeStamp:i numberPacketsSent:i numberOctetsSent:i numberPacketsReceived:i numberOctetsReceived:i
numberPacketsLost:i jitter:i latency:i pkid:u directoryNumPartition:50 globalCallId_ClusterID:50
deviceName:129 varVQMetrics:600 duration:i videoContentType:10 videoDuration:i numberVideoPacketsSent:i
numberVideoOctetsSent:i numberVideoPacketsReceived:i numberVideoOctetsReceived:i numberVideoPacketsLost:i
videoAverageJitter:i videoRoundTripTime:i videoOneWayDelay:i videoReceptionMetrics:600
videoTransmissionMetrics:600 videoContentType_channel2:10 videoDuration_channel2:i
numberVideoPacketsSent_channel2:i numberVideoOctetsSent_channel2:i numberVideoPacketsReceived_channel2:i
numberVideoOctetsReceived_channel2:i numberVideoPacketsLost_channel2:i videoAverageJitter_channel2:i
videoRoundTripTime_channel2:i videoOneWayDelay_channel2:i videoReceptionMetrics_channel2:600
videoTransmissionMetrics_channel2:600 localSessionID:128 remoteSessionID:128 headsetSN:129 headsetMetrics:1024
`

// cucmTable is one kind of file.
type cucmTable struct {
	names, types []string
	index        map[string]int
}

func newCUCMTable(columns string) *cucmTable {
	t := &cucmTable{index: make(map[string]int)}
	for i, c := range strings.Fields(columns) {
		name, kind, _ := strings.Cut(c, ":")
		switch kind {
		case "i":
			kind = "INTEGER"
		case "u":
			kind = "UNIQUEIDENTIFIER"
		default:
			kind = "VARCHAR(" + kind + ")"
		}
		t.names, t.types = append(t.names, name), append(t.types, kind)
		t.index[name] = i
	}
	return t
}

// head is the two lines before the records, the second of types.
func (t *cucmTable) head() string {
	return `"` + strings.Join(t.names, `","`) + "\"\n" + strings.Join(t.types, ",")
}

// row renders a record; what is not given is 0 or an empty text. A name that is no column panics.
func (t *cucmTable) row(values map[string]string) []byte {
	f := make([]string, len(t.names))
	for i, kind := range t.types {
		if f[i] = `""`; kind == "INTEGER" {
			f[i] = "0"
		}
	}
	for name, v := range values {
		i, ok := t.index[name]
		if !ok {
			panic("pbxsim: no column " + name)
		}
		if t.types[i] != "INTEGER" {
			v = `"` + strings.ReplaceAll(v, `"`, `""`) + `"`
		}
		f[i] = v
	}
	return []byte(strings.Join(f, ","))
}
